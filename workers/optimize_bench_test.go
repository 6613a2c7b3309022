package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/workflows"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

// Properties of the model server in the benchmarks of cogflow and DSPy.
const (
	benchSlots   = 32
	benchLatency = 200 * time.Millisecond
)

// benchInput is the job: 120 rows for demos and 300 rows for scores.
func benchInput(mode, auto string) optimizeflow.Input {
	in := topicInput(mode)
	rows := func(from, to int) json.RawMessage {
		var list []map[string]string
		for i := from; i < to; i++ {
			list = append(list, map[string]string{"query": fmt.Sprintf("topic %d", i), "answer": strconv.Itoa(i % 7)})
		}
		text, _ := json.Marshal(list) // marshalling of strings cannot fail
		return text
	}
	in.Trainset, in.Valset, in.Settings = rows(0, 120), rows(120, 420), mipro.Settings{Auto: auto}
	return in
}

func serveBench(s *lmtest.Server) {
	s.Models, s.Say, s.Slots = []string{"student", "teacher"}, similarAnswers, benchSlots
	s.Latency = func() time.Duration { return benchLatency }
}

// similarAnswers answers like answerTopics, but all candidates are about equally good: with
// each prompt, the student answers 55 % of the questions correctly. Therefore a race uses all
// rows of its budget.
func similarAnswers(c lmtest.Call) lmtest.Reply {
	if c.Model == "student" && lmtest.Hash(c.Text())%100 >= 55 {
		return lmtest.Reply{Text: "[[ ## answer ## ]]\nnone\n\n[[ ## completed ## ]]"}
	}
	c.Model = "teacher"
	return answerTopics(c)
}

// BenchmarkOptimize optimizes a program with a worker process, a Temporal server and an HTTP
// server with 32 slots and a latency of 200 ms; the worker has to discover the limit. First,
// DSPy's own MIPROv2 runs the same job once on an equal server. This part is skipped if DSPy
// is not installed (make test-conformance).
//
//	ratio     seconds of the search ÷ (its calls × 200 ms ÷ 32) (goal of improved 1.15)
//	waves     seconds of the search ÷ (the sum of ⌈rows ÷ 32⌉ over the trials × 200 ms) (goal of compat 1.25)
//	×dspy8    seconds of DSPy with its own 8 threads ÷ seconds of the whole job
//	×dspy32   the same with 32 threads
//
// The time of the search comes from the workflow's history: it begins when the first activity
// of the search is scheduled, and ends when the last one completes. The calls of the search
// are the calls that the server received in that time.
func BenchmarkOptimize(b *testing.B) {
	for _, auto := range []string{"light", "medium"} {
		dspyRuns := map[int]dspyRun{}
		for _, threads := range []int{8, benchSlots} {
			b.Run(fmt.Sprintf("%s/dspy%d", auto, threads), func(b *testing.B) {
				run, ok := dspyRuns[threads]
				if !ok {
					run = runDSPy(b, auto, threads)
					dspyRuns[threads] = run
				}
				b.ReportMetric(run.seconds, "s")
				b.ReportMetric(float64(run.calls), "calls")
				b.ReportMetric(float64(run.calls)/run.seconds, "calls/s")
			})
		}
		for _, mode := range []string{optimize.ModeImproved, optimize.ModeCompat} {
			b.Run(auto+"/"+mode, func(b *testing.B) {
				for b.Loop() {
					runOptimize(b, benchInput(mode, auto), dspyRuns)
				}
			})
		}
	}
}

func runOptimize(b *testing.B, in optimizeflow.Input, dspyRuns map[int]dspyRun) {
	b.Helper()
	c := newLMStack(b)
	serveBench(c.lm)
	c.worker(nil)
	// The pools are ready when a first workflow has ended. This one has an invalid input.
	_, err := execute[optimizeflow.Result](c.stack, "refused", "OptimizePrompts", optimizeflow.Input{})
	require.Error(b, err)
	start := time.Now()
	run, err := c.client.ExecuteWorkflow(b.Context(), startOptions("quiz"), "OptimizePrompts", in)
	require.NoError(b, err)
	var out optimizeflow.Result
	require.NoError(b, run.Get(b.Context(), &out))
	whole := time.Since(start).Seconds()
	calls := c.lm.Calls()
	search, asked := 0.0, 0
	for _, s := range c.searches(b, run.GetID(), run.GetRunID()) {
		search += s.to.Sub(s.from).Seconds()
		asked += s.count(calls)
	}
	slot := benchLatency.Seconds()
	b.ReportMetric(whole, "s")
	b.ReportMetric(float64(len(calls))/whole, "calls/s")
	b.ReportMetric(float64(len(calls)), "calls")
	b.ReportMetric(float64(asked), "search-calls")
	b.ReportMetric(search, "search-s")
	b.ReportMetric(search/(float64(asked)*slot/benchSlots), "ratio")
	if in.Mode == optimize.ModeCompat {
		waves := 0
		for _, t := range c.trials(b, run.GetID()) {
			waves += (t.Rows + benchSlots - 1) / benchSlots
		}
		b.ReportMetric(search/(float64(waves)*slot), "waves")
	}
	for threads, run := range dspyRuns {
		b.ReportMetric(run.seconds/whole, fmt.Sprintf("×dspy%d", threads))
	}
}

func (c *lmStack) trials(b *testing.B, id string) []optimize.TrialLine {
	b.Helper()
	value, err := c.client.QueryWorkflow(b.Context(), id, "", workflows.QueryProgress)
	require.NoError(b, err)
	var p optimizeflow.Progress
	require.NoError(b, value.Get(&p))
	return p.Trials
}

// searchSpan is a time span of a search.
type searchSpan struct{ from, to time.Time }

func (s searchSpan) count(calls []lmtest.Call) (n int) {
	for _, c := range calls {
		if c.Arrived.After(s.from) && c.Arrived.Before(s.to) {
			n++
		}
	}
	return n
}

// searches reads the time spans of the search from a workflow's history.
func (c *lmStack) searches(b *testing.B, id, run string) (all []searchSpan) {
	b.Helper()
	at := c.client.GetWorkflowHistory(b.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	scheduled := map[int64]string{}
	last := ""
	for at.HasNext() {
		event, err := at.Next()
		require.NoError(b, err)
		when := event.GetEventTime().AsTime()
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
			name := a.GetActivityType().GetName()
			if scheduled[event.GetEventId()] = name; name == "SearchTrials" && last != name {
				all = append(all, searchSpan{from: when})
			}
			last = name
		}
		if a := event.GetActivityTaskCompletedEventAttributes(); a != nil && scheduled[a.GetScheduledEventId()] == "SearchTrials" {
			all[len(all)-1].to = when
		}
	}
	require.NotEmpty(b, all)
	return all
}

type dspyRun struct {
	seconds float64 // duration of MIPROv2.compile, without the start of Python
	calls   int
}

func runDSPy(b *testing.B, auto string, threads int) dspyRun {
	b.Helper()
	python, err := filepath.Abs("../prompt/conformance/.venv/bin/python")
	require.NoError(b, err)
	if _, err := os.Stat(python); err != nil {
		b.Skip("DSPy is not installed: ", err)
	}
	in, server := benchInput(optimize.ModeCompat, auto), lmtest.Start(b)
	serveBench(server)
	job, err := json.Marshal(map[string]any{
		"url": server.URL + "/v1", "program": in.Program, "train": in.Trainset, "val": in.Valset, "auto": auto, "threads": threads,
	})
	require.NoError(b, err)
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "../docs/benchmarks/optimize_dspy.py")
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "LITELLM_LOCAL_MODEL_COST_MAP=True", "DSPY_CACHEDIR="+b.TempDir())
	var failure bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(job), &failure
	said, err := cmd.Output()
	require.NoError(b, err, string(tail(failure.Bytes(), 3000)))
	var out struct {
		Seconds float64 `json:"seconds"`
	}
	require.NoError(b, json.Unmarshal(said, &out), string(said))
	return dspyRun{out.Seconds, len(server.Calls())}
}

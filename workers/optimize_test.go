package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// lmStack is a stack with two fake language models: a teacher that is always correct, and a
// student that a better instruction improves.
type lmStack struct {
	*stack
	lm *lmtest.Server
}

func newLMStack(t testing.TB) *lmStack {
	t.Helper()
	c := &lmStack{stack: newStack(t, nil), lm: lmtest.Start(t)}
	c.lm.Models, c.lm.Say = []string{"student", "teacher"}, answerTopics
	c.lm.Latency = func() time.Duration { return 5 * time.Millisecond }
	config := map[string]any{"cogflow": map[string]any{
		"endpoints": map[string]any{"lms": map[string]any{
			"kind": "openai", "url": c.lm.URL + "/v1", "models": c.lm.Models,
		}},
		"optimize": map[string]any{"student": "student", "teacher": "teacher"},
	}}
	text, err := json.Marshal(config)
	require.NoError(t, err)
	path := filepath.Join(c.dir, "config.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	c.env = []string{"COGNIVERSE_CONFIG=" + path}
	return c
}

// answerTopics answers like a teacher that is always right, and a student that a better
// instruction improves.
func answerTopics(c lmtest.Call) lmtest.Reply { return lmtest.Topics("teacher")(c) }

// topicInput is an input with 120 rows.
func topicInput(mode string) optimize.Input {
	var rows []string
	for i := range 120 {
		rows = append(rows, fmt.Sprintf(`{"query":"topic %d","answer":"%d"}`, i, i%7))
	}
	in := optimize.Input{
		Program:  json.RawMessage(`{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`),
		Trainset: json.RawMessage("[" + strings.Join(rows, ",") + "]"), Mode: mode,
		Settings: mipro.Settings{Auto: "none", NumCandidates: 5, NumTrials: 12, MinibatchSize: 15, MinibatchFullEvalSteps: 4},
	}
	if mode == "gepa" {
		in.Settings, in.Options = mipro.Settings{}, gepa.Options{MaxMetricCalls: 400, ReflectionMinibatchSize: 6}
	}
	return in
}

// published returns the files of the program's first version, except for the manifest, which
// depends on the run.
func (c *lmStack) published() map[string]string {
	c.t.Helper()
	out := map[string]string{}
	for _, path := range c.matchingFiles("store/default/programs/quiz/1/*") {
		data, err := os.ReadFile(path)
		require.NoError(c.t, err)
		if name := filepath.Base(path); name != "manifest.json" {
			out[name] = string(data)
		}
	}
	require.Len(c.t, out, 5) // including the reservation
	return out
}

func (c *lmStack) optimize(in optimize.Input) client.WorkflowRun {
	c.t.Helper()
	run, err := c.client.ExecuteWorkflow(c.t.Context(), startOptions("quiz"), "OptimizePrompts", in)
	require.NoError(c.t, err)
	return run
}

// TestOptimizeKill kills workers and the server at random moments. The published program is
// byte for byte equal to that of a run without kills, and no stored answer is paid for again.
func TestOptimizeKill(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"compat", "improved", "gepa"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			in := topicInput(mode)
			reference := newLMStack(t)
			reference.worker(nil)
			want := await[optimize.Result](reference.stack, reference.optimize(in), 5*time.Minute)
			require.Zero(t, want.Repeated)
			for _, n := range reference.lm.Answered() {
				require.Equal(t, 1, n)
			}
			calls := len(reference.lm.Calls())

			c := newLMStack(t)
			w := c.worker(nil)
			run := c.optimize(in)
			// A worker that was connecting when the server was killed exits; its supervisor
			// restarts it.
			restartExited := func() {
				select {
				case err := <-w.done:
					w.done <- err
					w = c.worker(nil)
				default:
				}
			}
			kills := 20
			if os.Getenv("COGFLOW_SOAK") != "" {
				kills = 1000
			}
			var bursts []int // numbers of kills in quick succession, before the system has recovered
			for left := kills; left > 0; left -= bursts[len(bursts)-1] {
				bursts = append(bursts, min(1+rand.IntN(6), left))
			}
			killed := 0
			for i, moment := range moments(len(bursts), calls) {
				c.asked(moment, restartExited)
				for range bursts[i] {
					if killed%2 == 0 {
						w.kill()
						w = c.worker(nil)
					} else {
						c.killServer()
						c.start()
					}
					killed++
					<-time.After(rand.N(500 * time.Millisecond))
					restartExited()
				}
			}
			out := c.finished(run, restartExited)
			require.Equal(t, reference.published(), c.published())
			require.Equal(t, want.Verdict, out.Verdict)
			again := 0
			for _, n := range c.lm.Answered() {
				again += n - 1
			}
			require.Equal(t, slices.Sorted(maps.Keys(reference.lm.Answered())), slices.Sorted(maps.Keys(c.lm.Answered())))
			t.Logf("%d kills at %d moments, %d answers, %d of them again, %d reported", killed, len(bursts), len(c.lm.Answered()), again, out.Repeated)
			require.LessOrEqual(t, again, out.Repeated, "every repeated call is reported")
		})
	}
}

// TestOptimizeFaults makes servers fail in many ways: bursts of 429 and 5xx, invalid and
// truncated answers, errors with status 200. No failure becomes a score.
func TestOptimizeFaults(t *testing.T) {
	t.Parallel()
	in := topicInput("compat")
	reference := newLMStack(t)
	reference.worker(nil)
	want := await[optimize.Result](reference.stack, reference.optimize(in), 5*time.Minute)

	c := newLMStack(t)
	var transient []lmtest.Fault
	for _, f := range lmtest.Faults() {
		if f.Class == fault.Overload || f.Class == fault.Transport {
			transient = append(transient, f)
		}
	}
	c.lm.Decide = func(call int) lmtest.Answer {
		if call%11 == 0 || call/40%4 == 1 && call%3 == 0 { // sporadically and in bursts
			return transient[call%len(transient)].Answer
		}
		return nil
	}
	c.worker(nil)
	out := await[optimize.Result](c.stack, c.optimize(in), 10*time.Minute)
	require.Equal(t, reference.published(), c.published())
	require.Equal(t, want.Verdict, out.Verdict)
	require.Equal(t, reference.lm.Answered(), c.lm.Answered(), "each question was answered once")
}

// TestOptimizeEmptyAnswers: an empty answer is retried a bounded number of times and then
// scores 0; the run continues.
func TestOptimizeEmptyAnswers(t *testing.T) {
	t.Parallel()
	c := newLMStack(t)
	c.lm.Say = func(call lmtest.Call) lmtest.Reply {
		if call.Model == "student" && strings.HasSuffix(strings.Split(call.Question(), "\n\n")[0], "topic 5") {
			return lmtest.Reply{}
		}
		return answerTopics(call)
	}
	c.lm.Dress = func(v map[string]any) {
		if message := v["choices"].([]any)[0].(map[string]any)["message"].(map[string]any); message["content"] == "" {
			usage := v["usage"].(map[string]any)
			usage["completion_tokens"], usage["total_tokens"] = 0, usage["prompt_tokens"]
		}
	}
	c.worker(nil)
	in := topicInput("compat")
	in.NumCandidates, in.NumTrials = 2, 2
	out := await[optimize.Result](c.stack, c.optimize(in), 5*time.Minute)
	require.Equal(t, "optimized", out.Status)
	empty := 0
	for _, n := range c.lm.Answered() {
		if n > 1 {
			empty++
			require.Equal(t, money.MaxCharged, n)
		}
	}
	require.Positive(t, empty)
}

// TestOptimizeRefusedByTheTeacher: a permanent rejection by the server fails the run.
func TestOptimizeRefusedByTheTeacher(t *testing.T) {
	t.Parallel()
	c := newLMStack(t)
	c.lm.Decide = func(int) lmtest.Answer {
		return answertest.Status(http.StatusUnauthorized, `{"error":{"message":"Incorrect API key provided"}}`)
	}
	c.worker(nil)
	_, err := execute[optimize.Result](c.stack, "quiz", "OptimizePrompts", topicInput("compat"))
	require.ErrorContains(t, err, "bootstrap: ")
	require.ErrorContains(t, err, "type: auth")
}

// TestOptimizeExample starts the example with the temporal CLI. Models whose answers can
// never be parsed score 0; the run ends normally and promotes nothing.
func TestOptimizeExample(t *testing.T) {
	t.Parallel()
	c := newLMStack(t)
	c.lm.Say = func(lmtest.Call) lmtest.Reply { return lmtest.Reply{Text: "I would rather not say."} }
	c.worker(nil)
	file, err := filepath.Abs("../examples/optimize.json")
	require.NoError(t, err)
	c.temporalCLI("workflow", "start", "--task-queue", "cogflow", "--type", "OptimizePrompts", "--workflow-id", "example", "--input-file", file)
	out := await[optimize.Result](c.stack, c.client.GetWorkflow(t.Context(), "example", ""), 5*time.Minute)
	require.Equal(t, "optimized", out.Status)
	require.False(t, out.Promoted)
	require.Zero(t, out.Score)
	require.NotEmpty(t, out.Report)
}

// moments chooses the calls at which a process is killed.
func moments(kills, calls int) []int {
	out := make([]int, kills)
	for i := range out {
		out[i] = rand.IntN(max(1, calls*9/10))
	}
	slices.Sort(out)
	return out
}

// finished waits for the result and calls restartExited meanwhile.
func (c *lmStack) finished(run client.WorkflowRun, restartExited func()) (out optimize.Result) {
	c.t.Helper()
	for range 120 {
		restartExited()
		ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
		err := run.Get(ctx, &out)
		// Any other error comes from the connection or from the timeout of this attempt.
		if _, failed := errors.AsType[*temporal.WorkflowExecutionError](err); err == nil || failed {
			cancel()
			require.NoError(c.t, err)
			return out
		}
		<-ctx.Done()
		cancel()
	}
	require.Fail(c.t, "the workflow did not end")
	return out
}

// asked waits for a number of model calls and calls restartExited meanwhile.
func (c *lmStack) asked(calls int, restartExited func()) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(3 * time.Minute)
	for len(c.lm.Calls()) < calls {
		select {
		case <-tick.C:
			restartExited()
		case <-limit:
			require.Fail(c.t, "too few calls were made")
		}
	}
}

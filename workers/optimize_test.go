package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// classroom is a stack with language models that are stood in for: a teacher that
// knows everything, and a student that an instruction can help.
type classroom struct {
	*stack
	lm *lmtest.Server
}

func newClassroom(t testing.TB) *classroom {
	t.Helper()
	c := &classroom{stack: newStack(t, nil), lm: lmtest.Start(t)}
	c.lm.Models, c.lm.Say = []string{"student", "teacher"}, quiz
	c.lm.Latency = func() time.Duration { return 5 * time.Millisecond }
	config := map[string]any{"cogflow": map[string]any{
		"endpoints": map[string]any{"school": map[string]any{
			"kind": "openai", "url": c.lm.URL + "/v1", "models": c.lm.Models,
		}},
		"optimize": map[string]any{"student": "student", "teacher": "teacher"},
	}}
	text, err := json.Marshal(config)
	require.NoError(t, err)
	path := filepath.Join(c.dir, "config.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	c.env = []string{noText, "COGNIVERSE_CONFIG=" + path}
	return c
}

var (
	wantedField = regexp.MustCompile("`(?:\\[\\[ ## )?(\\w+)(?: ## \\]\\])?`")
	topicAsked  = regexp.MustCompile(`topic (\d+)`)
	ruleGiven   = regexp.MustCompile(`Rule number (\d)`)
)

func hashOf(text string) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, text)
	return h.Sum64()
}

// quiz answers as DSPy's chat adapter reads it. Proposers write rules by number; a
// higher number helps the student more.
func quiz(c lmtest.Call) lmtest.Reply {
	last := c.Question()
	var b strings.Builder
	for _, m := range wantedField.FindAllStringSubmatch(last[max(0, strings.LastIndex(last, "Respond with")):], -1) {
		value := fmt.Sprintf("Rule number %d.", hashOf(last)%10)
		switch m[1] {
		case "completed":
			value = ""
		case "answer":
			topics := topicAsked.FindAllStringSubmatch(last, -1)
			topic, _ := strconv.Atoi(topics[len(topics)-1][1])
			skill := uint64(30)
			if rule := ruleGiven.FindStringSubmatch(c.Messages[0].Content); rule != nil {
				n, _ := strconv.Atoi(rule[1])
				skill += uint64(7 * n)
			}
			if value = "none"; c.Model == "teacher" || hashOf(fmt.Sprint(topic))%100 < skill {
				value = strconv.Itoa(topic % 7)
			}
		}
		fmt.Fprintf(&b, "[[ ## %s ## ]]\n%s\n\n", m[1], value)
	}
	return lmtest.Reply{Text: b.String()}
}

// quizzes is an input with rows to learn from.
func quizzes(mode string) optimize.Input {
	var rows []string
	for i := range 120 {
		rows = append(rows, fmt.Sprintf(`{"query":"topic %d","answer":"%d"}`, i, i%7))
	}
	return optimize.Input{
		Program:  json.RawMessage(`{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`),
		Trainset: json.RawMessage("[" + strings.Join(rows, ",") + "]"), Mode: mode,
		Settings: mipro.Settings{Auto: "none", NumCandidates: 5, NumTrials: 12, MinibatchSize: 15, MinibatchFullEvalSteps: 4},
	}
}

// published is every file of the program's first version but the manifest, which
// tells of the run.
func (c *classroom) published() map[string]string {
	c.t.Helper()
	out := map[string]string{}
	for _, path := range c.sightNow("store/default/programs/quiz/1/*") {
		data, err := os.ReadFile(path)
		require.NoError(c.t, err)
		if name := filepath.Base(path); name != "manifest.json" {
			out[name] = string(data)
		}
	}
	require.Len(c.t, out, 5) // with the reservation
	return out
}

func (c *classroom) optimize(in optimize.Input) client.WorkflowRun {
	c.t.Helper()
	run, err := c.client.ExecuteWorkflow(c.t.Context(), startOptions("quiz"), "OptimizePrompts", in)
	require.NoError(c.t, err)
	return run
}

// TestOptimizeKill kills workers and the server at random moments. The program
// that is published is the same to the byte, and no stored answer is paid again.
func TestOptimizeKill(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"compat", "improved"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			in := quizzes(mode)
			calm := newClassroom(t)
			calm.worker(nil)
			want := await[optimize.Result](calm.stack, calm.optimize(in), 5*time.Minute)
			require.Zero(t, want.Repeated)
			for _, n := range calm.lm.Answered() {
				require.Equal(t, 1, n)
			}
			calls := len(calm.lm.Calls())

			c := newClassroom(t)
			w := c.worker(nil)
			run := c.optimize(in)
			// A worker that was about to connect when the server was killed ends; whoever
			// supervises it starts another.
			tend := func() {
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
			var bursts []int // kills one after the other, before anything has recovered from the first
			for left := kills; left > 0; left -= bursts[len(bursts)-1] {
				bursts = append(bursts, min(1+rand.IntN(6), left))
			}
			killed := 0
			for i, moment := range moments(len(bursts), calls) {
				c.asked(moment, tend)
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
					tend()
				}
			}
			out := c.finished(run, tend)
			require.Equal(t, calm.published(), c.published())
			require.Equal(t, want.Verdict, out.Verdict)
			again := 0
			for _, n := range c.lm.Answered() {
				again += n - 1
			}
			require.Equal(t, slices.Sorted(maps.Keys(calm.lm.Answered())), slices.Sorted(maps.Keys(c.lm.Answered())))
			t.Logf("%d kills at %d moments, %d answers, %d of them again, %d reported", killed, len(bursts), len(c.lm.Answered()), again, out.Repeated)
			require.LessOrEqual(t, again, out.Repeated, "every call that was made again is reported")
		})
	}
}

// TestOptimizeFaults has servers fail in every way there is: bursts of 429, 5xx,
// broken and cut answers, errors with status 200. None of it is a score.
func TestOptimizeFaults(t *testing.T) {
	t.Parallel()
	in := quizzes("compat")
	calm := newClassroom(t)
	calm.worker(nil)
	want := await[optimize.Result](calm.stack, calm.optimize(in), 5*time.Minute)

	c := newClassroom(t)
	var passing []lmtest.Fault
	for _, f := range lmtest.Faults() {
		if f.Class == fault.Overload || f.Class == fault.Transport {
			passing = append(passing, f)
		}
	}
	c.lm.Decide = func(call int) lmtest.Answer {
		if call%11 == 0 || call/40%4 == 1 && call%3 == 0 { // now and then, and in bursts
			return passing[call%len(passing)].Answer
		}
		return nil
	}
	c.worker(nil)
	out := await[optimize.Result](c.stack, c.optimize(in), 10*time.Minute)
	require.Equal(t, calm.published(), c.published())
	require.Equal(t, want.Verdict, out.Verdict)
	require.Equal(t, calm.lm.Answered(), c.lm.Answered(), "each question was answered once")
}

// TestOptimizeEmptyAnswers: a question that is never answered is asked again, a
// bounded number of times, and then scores nothing; the run goes on.
func TestOptimizeEmptyAnswers(t *testing.T) {
	t.Parallel()
	c := newClassroom(t)
	c.lm.Say = func(call lmtest.Call) lmtest.Reply {
		if call.Model == "student" && strings.HasSuffix(strings.Split(call.Question(), "\n\n")[0], "topic 5") {
			return lmtest.Reply{}
		}
		return quiz(call)
	}
	c.lm.Dress = func(v map[string]any) {
		if message := v["choices"].([]any)[0].(map[string]any)["message"].(map[string]any); message["content"] == "" {
			usage := v["usage"].(map[string]any)
			usage["completion_tokens"], usage["total_tokens"] = 0, usage["prompt_tokens"]
		}
	}
	c.worker(nil)
	in := quizzes("compat")
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

// A server that refuses for good ends the run with what to do about it.
func TestOptimizeRefusedByTheTeacher(t *testing.T) {
	t.Parallel()
	c := newClassroom(t)
	c.lm.Decide = func(int) lmtest.Answer {
		return answertest.Status(http.StatusUnauthorized, `{"error":{"message":"Incorrect API key provided"}}`)
	}
	c.worker(nil)
	_, err := execute[optimize.Result](c.stack, "quiz", "OptimizePrompts", quizzes("compat"))
	require.ErrorContains(t, err, "bootstrap: ")
	require.ErrorContains(t, err, "type: auth")
}

// TestOptimizeExample starts the example by the temporal CLI. Models that never
// answer readably score nothing, end the run in good order, and change nothing.
func TestOptimizeExample(t *testing.T) {
	t.Parallel()
	c := newClassroom(t)
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

// moments picks calls at which something is killed.
func moments(kills, calls int) []int {
	out := make([]int, kills)
	for i := range out {
		out[i] = rand.IntN(max(1, calls*9/10))
	}
	slices.Sort(out)
	return out
}

// finished waits for the result, and tends the workers meanwhile.
func (c *classroom) finished(run client.WorkflowRun, tend func()) (out optimize.Result) {
	c.t.Helper()
	for range 120 {
		tend()
		ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
		err := run.Get(ctx, &out)
		// Any other error is of the connection, or of our own limit.
		if _, failed := errors.AsType[*temporal.WorkflowExecutionError](err); err == nil || failed {
			cancel()
			require.NoError(c.t, err)
			return out
		}
		<-ctx.Done()
		cancel()
	}
	require.Fail(c.t, "the workflow does not end")
	return out
}

// asked waits until so many calls were made, and tends the workers meanwhile.
func (c *classroom) asked(calls int, tend func()) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(3 * time.Minute)
	for len(c.lm.Calls()) < calls {
		select {
		case <-tick.C:
			tend()
		case <-limit:
			require.Fail(c.t, "the calls do not come")
		}
	}
}

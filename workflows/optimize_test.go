package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/flowtest"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

// optimizeWorld is everything around OptimizePrompts: real store and ledger, and models
// that follow a rule: an instruction with a higher number helps the student more.
type optimizeWorld struct {
	t        *testing.T
	optimize *optimize.Activities
	models   *fakeModels
}

func newOptimizeWorld(t *testing.T) *optimizeWorld {
	t.Helper()
	dir := t.TempDir()
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(dir, "store"))
	require.NoError(t, err)
	calls, err := ledger.Open(filepath.Join(dir, "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	s := &optimizeWorld{t: t, models: &fakeModels{asked: map[string]int{}, helps: true}}
	price := &prompt.Price{Input: 1, Output: 1}
	s.optimize = &optimize.Activities{
		Store: store, Ledger: calls, Broker: broker.New(broker.Options{Ledger: calls, Spread: time.Millisecond}), Runs: noRuns{}, LM: s.models, Documents: (*textVideos)(nil), Judges: noJudges{},
		Models: func() (optimize.RoleModels, error) {
			m := func(name string) prompt.Model { return prompt.Model{Name: name, MaxTokens: 100, Price: price} }
			return optimize.RoleModels{Student: m("student"), Teacher: m("teacher"), Proposer: m("proposer"), Judge: m("judge")}, nil
		},
		Report: func(w io.Writer, r prompt.Report) error { return json.NewEncoder(w).Encode(r.Release) }, Version: "test",
	}
	return s
}

type noJudges struct{}

func (noJudges) Known(name string) error { return fault.New(fault.Input, "score", name, "unknown") }
func (noJudges) Check(name string) error { return fault.New(fault.Input, "score", name, "unknown") }
func (noJudges) Score(context.Context, string, *prompt.Object, *prompt.Object) (metric.Mark, error) {
	return metric.Mark{}, fault.New(fault.Input, "score", "", "there are no commands")
}

func (s *optimizeWorld) programs() *registry.Programs {
	return &registry.Programs{Store: s.optimize.Store}
}

func (s *optimizeWorld) environment() *testsuite.TestWorkflowEnvironment {
	env := flowtest.NewEnvironment()
	env.RegisterActivity(s.optimize)
	env.RegisterActivity(s.programs())
	register(env)
	return env
}

func (s *optimizeWorld) run(in optimizeflow.Input) (optimizeflow.Result, error) {
	env := s.environment()
	env.ExecuteWorkflow("OptimizePrompts", in)
	return optimized(s.t, env)
}

func optimized(t *testing.T, env *testsuite.TestWorkflowEnvironment) (optimizeflow.Result, error) {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	var out optimizeflow.Result
	if err := env.GetWorkflowError(); err != nil {
		return out, err
	}
	return out, env.GetWorkflowResult(&out)
}

// optimizeInput is an input with a trainset.
func optimizeInput(mode string) optimizeflow.Input {
	var rows []string
	for i := range 160 {
		rows = append(rows, fmt.Sprintf(`{"query":"topic %d","answer":"%d"}`, i, i%7))
	}
	in := optimizeflow.Input{
		Program:  json.RawMessage(`{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`),
		Trainset: json.RawMessage("[" + strings.Join(rows, ",") + "]"), Mode: mode,
		Settings: mipro.Settings{Auto: "none", NumCandidates: 5, NumTrials: 8, MinibatchSize: 12, MinibatchFullEvalSteps: 4},
	}
	if mode == optimize.ModeGEPA {
		in.Settings, in.Options = mipro.Settings{}, gepa.Options{MaxMetricCalls: 600, ReflectionMinibatchSize: 6}
	}
	return in
}

// fakeModels answer for all roles.
type fakeModels struct {
	mu    sync.Mutex
	asked map[string]int // by fingerprint
	helps bool           // instructions differ in how much they help
	fail  func(c prompt.Completion) error
}

func (p *fakeModels) Limit(string) int { return 8 }

func (p *fakeModels) Complete(_ context.Context, c prompt.Completion) (prompt.CompletionAnswer, error) {
	p.mu.Lock()
	fail := p.fail
	p.mu.Unlock()
	if fail != nil {
		if err := fail(c); err != nil {
			return prompt.CompletionAnswer{}, err
		}
	}
	p.mu.Lock()
	p.asked[string(c.Fingerprint())]++
	p.mu.Unlock()
	return prompt.CompletionAnswer{Text: p.answer(c), Finish: prompt.FinishStop, CostMicroUSD: 10}, nil
}

func (p *fakeModels) count() (distinct, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.asked {
		all += n
	}
	return len(p.asked), all
}

func hash(text string) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, text)
	return h.Sum64()
}

var wanted = regexp.MustCompile("`(?:\\[\\[ ## )?(\\w+)(?: ## \\]\\])?`")

func (p *fakeModels) answer(c prompt.Completion) string {
	last := c.Messages[len(c.Messages)-1].Content
	var b strings.Builder
	for _, m := range wanted.FindAllStringSubmatch(last[strings.LastIndex(last, "Respond with"):], -1) {
		value := fmt.Sprintf("Rule number %d.", hash(last+fmt.Sprint(c.Rollout))%10)
		switch m[1] {
		case "completed":
			value = ""
		case "answer":
			value = p.answerTopic(c, last)
		}
		fmt.Fprintf(&b, "[[ ## %s ## ]]\n%s\n\n", m[1], value)
	}
	return b.String()
}

// answerTopic answers more topics correctly with a better instruction.
func (p *fakeModels) answerTopic(c prompt.Completion, last string) string {
	topics := regexp.MustCompile(`topic (\d+)`).FindAllStringSubmatch(last, -1)
	topic, _ := strconv.Atoi(topics[len(topics)-1][1])
	skill := uint64(30)
	if rule := regexp.MustCompile(`Rule number (\d)`).FindStringSubmatch(c.Messages[0].Content); rule != nil && p.helps {
		n, _ := strconv.Atoi(rule[1])
		skill += uint64(7 * n)
	}
	if c.Model == "teacher" || hash(fmt.Sprint(topic))%100 < skill {
		return strconv.Itoa(topic % 7)
	}
	return "none"
}

func TestOptimize(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{optimize.ModeCompat, optimize.ModeImproved, optimize.ModeGEPA} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newOptimizeWorld(t)
			out, err := s.run(optimizeInput(mode))
			require.NoError(t, err)
			require.Equal(t, "optimized", out.Status)
			require.True(t, out.Promoted, "%+v", out)
			require.Greater(t, out.Score, out.DefaultScore)
			require.Equal(t, 64, out.Verdict.Planned, "four in ten are set aside")
			require.Less(t, out.Verdict.Examples, 64, "what is plain needs no more rows")
			distinct, all := s.models.count()
			require.Equal(t, distinct, all, "no answer is asked for twice")
			require.Equal(t, all, out.Calls)
			require.Positive(t, out.CostUSD)

			again, err := s.run(optimizeInput(mode))
			require.NoError(t, err)
			require.Equal(t, "unchanged", again.Status)
			require.Equal(t, out.Version, again.Version)
			dry := optimizeInput(mode)
			dry.DryRun = true
			again, err = s.run(dry)
			require.NoError(t, err)
			require.Equal(t, "dry_run", again.Status)
			require.True(t, again.Unchanged)
			// Under another name it is another program, of the same answers.
			_, before := s.models.count()
			require.Equal(t, all, before, "a finished job asks nothing")
			other := optimizeInput(mode)
			other.Name = "second"
			dry.Name = other.Name
			again, err = s.run(dry)
			require.NoError(t, err)
			require.False(t, again.Unchanged, "there is a program to publish")
			for _, status := range []string{"optimized", "unchanged"} {
				second, err := s.run(other)
				require.NoError(t, err)
				require.Equal(t, []any{status, "second", out.Score}, []any{second.Status, second.Program, second.Score})
				detail, err := s.programs().ShowProgram(t.Context(), registry.ProgramInput{Tenant: tenant.Default, Name: "second"})
				require.NoError(t, err)
				require.Equal(t, "active", detail.Status)
			}
			again, err = s.run(optimizeInput(mode))
			require.NoError(t, err)
			require.Equal(t, []any{"unchanged", out.Program, out.Version}, []any{again.Status, again.Program, again.Version})
			distinct, after := s.models.count()
			require.Equal(t, distinct, after, "no answer is asked for twice")
			if mode != optimize.ModeImproved { // its trials in flight may ask for some that it needed no more
				require.Equal(t, all, after)
			}

			detail, err := s.programs().ShowProgram(t.Context(), registry.ProgramInput{Tenant: tenant.Default, Name: "quiz"})
			require.NoError(t, err)
			require.Equal(t, "active", detail.Status)
			program, err := prompt.Read(detail.Program)
			require.NoError(t, err)
			require.Contains(t, program.Predictors[0].Instructions, "Rule number")
		})
	}
}

func TestOptimizeNeverShipsARegression(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	s.models.helps = false
	out, err := s.run(optimizeInput(optimize.ModeImproved))
	require.NoError(t, err)
	require.False(t, out.Promoted)
	require.False(t, out.Verdict.Promote)
	env := s.environment()
	env.ExecuteWorkflow("PromoteProgram", optimizeflow.ProgramInput{Name: "quiz", Version: 1})
	require.ErrorContains(t, env.GetWorkflowError(), "force")
}

// TestOptimizeFaultsHaveNoScore: faults of servers do not change scores; the result is that of
// an undisturbed run.
func TestOptimizeFaultsHaveNoScore(t *testing.T) {
	t.Parallel()
	calm := newOptimizeWorld(t)
	want, err := calm.run(optimizeInput(optimize.ModeCompat))
	require.NoError(t, err)
	s := newOptimizeWorld(t)
	var mu sync.Mutex
	seen := map[string]int{}
	s.models.fail = func(c prompt.Completion) error {
		mu.Lock()
		defer mu.Unlock()
		f := string(c.Fingerprint())
		seen[f]++
		switch {
		case hash(f)%20 == 0 && seen[f] == 1:
			return &fault.Error{Class: fault.Overload, Op: "ask model", Reason: "429", RetryAfter: time.Millisecond}
		case hash(f)%97 == 1 && seen[f] == 1:
			return fault.New(fault.Transport, "ask model", c.Model, "the connection broke")
		}
		return nil
	}
	out, err := s.run(optimizeInput(optimize.ModeCompat))
	require.NoError(t, err)
	require.Equal(t, want.Job, out.Job)
	require.Equal(t, want.Score, out.Score)
	require.Equal(t, want.Verdict, out.Verdict)
	distinct, all := s.models.count()
	require.Equal(t, distinct, all)
}

func TestOptimizeBudget(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	in := optimizeInput(optimize.ModeCompat)
	in.BudgetUSD = 0.002
	env := s.environment()
	env.RegisterDelayedCallback(func() {
		value, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		var p optimizeflow.Progress
		require.NoError(t, value.Get(&p))
		require.Equal(t, string(fault.Budget), p.Waiting)
		_, all := s.models.count()
		require.LessOrEqual(t, float64(all)*10/1e6, 0.002)
		env.UpdateWorkflow(workflows.UpdateBudget, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { require.NoError(t, err) },
			OnComplete: func(_ any, err error) { require.NoError(t, err) },
		}, 5.0)
	}, time.Hour)
	env.ExecuteWorkflow("OptimizePrompts", in)
	out, err := optimized(t, env)
	require.NoError(t, err)
	require.Equal(t, "optimized", out.Status)
	distinct, all := s.models.count()
	require.Equal(t, distinct, all, "the limit cost no answer")
}

func TestOptimizeApproval(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	in := optimizeInput(optimize.ModeImproved)
	in.Approve = true
	env := s.environment()
	answered := false
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(workflows.UpdateApprove, "", &testsuite.TestUpdateCallback{
			OnAccept: func() { answered = true }, OnReject: func(err error) { require.NoError(t, err) },
			OnComplete: func(any, error) {},
		}, false)
	}, time.Hour)
	env.ExecuteWorkflow("OptimizePrompts", in)
	out, err := optimized(t, env)
	require.NoError(t, err)
	require.True(t, answered)
	require.True(t, out.Verdict.Promote)
	require.False(t, out.Promoted, "the promotion was rejected")
}

func TestOptimizeStopKeepsTheBest(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{optimize.ModeCompat, optimize.ModeGEPA} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			stopAndSearchOn(t, mode)
		})
	}
}

func stopAndSearchOn(t *testing.T, mode string) {
	t.Helper()
	s := newOptimizeWorld(t)
	s.optimize.SearchFor = 1 // ns: a trial at a time
	env := s.environment()
	var once sync.Once
	s.models.fail = func(c prompt.Completion) error {
		if c.Model == "student" {
			once.Do(func() { env.SignalWorkflow(workflows.SignalStop, nil) })
		}
		return nil
	}
	env.ExecuteWorkflow("OptimizePrompts", optimizeInput(mode))
	out, err := optimized(t, env)
	require.NoError(t, err)
	require.Equal(t, "stopped", out.Status)
	require.Less(t, out.Trials, 8)

	s.models.fail = nil
	whole, err := s.run(optimizeInput(mode))
	require.NoError(t, err)
	require.Equal(t, "optimized", whole.Status, "a stopped job can be searched on")
	require.Equal(t, 2, whole.Version)
	distinct, all := s.models.count()
	require.Equal(t, distinct, all)
}

// TestOptimizeStopsRetrying: an answer that a run has given up scores 0 for the rest of that
// run. Other runs request it again, because the endpoint may have recovered.
func TestOptimizeStopsRetrying(t *testing.T) {
	t.Parallel()
	other := optimizeInput(optimize.ModeCompat)
	other.Name, other.NumTrials = "another", 9
	clean, err := newOptimizeWorld(t).run(other)
	require.NoError(t, err)
	s := newOptimizeWorld(t)
	s.models.fail = func(c prompt.Completion) error {
		if c.Model == "student" && strings.Contains(c.Messages[len(c.Messages)-1].Content, "topic 1") {
			return money.ChargeUnknown(fault.New(fault.Transport, "ask model", c.Model, "the answer is not JSON"))
		}
		return nil
	}
	bad, err := s.run(optimizeInput(optimize.ModeCompat))
	require.NoError(t, err)
	require.Less(t, bad.DefaultScore, clean.DefaultScore)
	s.models.fail = nil
	calls, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db")) // runs of a test environment have one id, and so would have one account
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	s.optimize.Ledger, s.optimize.Broker = calls, broker.New(broker.Options{Ledger: calls})
	out, err := s.run(other)
	require.NoError(t, err)
	require.Equal(t, clean.DefaultScore, out.DefaultScore)
	require.Equal(t, clean.Score, out.Score)
}

func TestOptimizeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(in *optimizeflow.Input)
		says   string
	}{
		"no program":    {func(in *optimizeflow.Input) { in.Program = nil }, `"program" is required`},
		"no rows":       {func(in *optimizeflow.Input) { in.Trainset = json.RawMessage(`[]`) }, "train"},
		"one row":       {func(in *optimizeflow.Input) { in.Trainset = json.RawMessage(`[{"query":"topic 1","answer":"1"}]`) }, ""},
		"unknown field": {func(in *optimizeflow.Input) { in.Program = json.RawMessage(`{"name":"x","predictorz":[]}`) }, "predictorz"},
		"metric on nothing": {func(in *optimizeflow.Input) {
			in.Metric = json.RawMessage(`{"kind":"exact","field":"colour"}`)
		}, "colour"},
		"unknown command": {func(in *optimizeflow.Input) {
			in.Metric = json.RawMessage(`{"kind":"command","command":"house"}`)
		}, "house"},
		"a minibatch too large": {func(in *optimizeflow.Input) { in.MinibatchSize = 4000 }, "minibatch"},
		"mode":                  {func(in *optimizeflow.Input) { in.Mode = "magic" }, "improved, compat or gepa"},
		"auto and trials":       {func(in *optimizeflow.Input) { in.Auto = "light" }, "auto"},
		"a huge instruction": {func(in *optimizeflow.Input) {
			in.Program = json.RawMessage(`{"name":"x","predictors":[{"name":"self","instructions":"` + strings.Repeat("a", 1<<18) +
				`","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`)
		}, "instructions"},
		"a row that is not an object": {func(in *optimizeflow.Input) { in.Trainset = json.RawMessage(`[1, 2]`) }, "example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptimizeWorld(t)
			in := optimizeInput(optimize.ModeCompat)
			c.change(&in)
			_, err := s.run(in)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "type: input")
			_, all := s.models.count()
			require.Zero(t, all, "nothing is paid before it is refused")
		})
	}
	s := newOptimizeWorld(t)
	s.optimize.Models = func() (optimize.RoleModels, error) {
		m := prompt.Model{Name: "m"}
		return optimize.RoleModels{Student: m, Teacher: m, Proposer: m, Judge: m}, nil
	}
	in := optimizeInput(optimize.ModeCompat)
	in.BudgetUSD = 1
	_, err := s.run(in)
	require.ErrorContains(t, err, "no price")
}

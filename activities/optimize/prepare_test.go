package optimize

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/tenant"
)

// documents are the files that inputs name.
type documents string

func (d documents) Open(_ context.Context, _ tenant.ID, uri string) (*os.File, string, error) {
	file, err := os.Open(filepath.Join(string(d), uri))
	if err != nil {
		return nil, "", fault.Wrap(fault.Input, "open video", uri, err)
	}
	return file, uri, nil
}

// grades are metric commands: "grade" scores one half, other names are unknown.
type grades struct {
	asked   atomic.Int32
	fails   error
	missing bool // its program, on this worker
}

func (g *grades) Score(context.Context, string, *prompt.Object, *prompt.Object) (metric.Mark, error) {
	g.asked.Add(1)
	return metric.Mark{Score: 0.5, Feedback: "half of it"}, g.fails
}

func (g *grades) Check(command string) error {
	if g.missing {
		return fault.New(fault.Input, "check metric", command, "its program was not found")
	}
	return g.Known(command)
}

func (g *grades) Known(command string) error {
	if command != "grade" {
		return fault.New(fault.Input, "check metric", command, "it is not configured")
	}
	return nil
}

func prepared(t *testing.T) PrepareInput {
	t.Helper()
	in := PrepareInput{Tenant: "default", Program: json.RawMessage(miprotest.OneStep), Mode: ModeCompat, Trainset: examples(t, 0, 12), Valset: examples(t, 12, 40)}
	in.Settings = mipro.Settings{Auto: "none", NumCandidates: 4, NumTrials: 2, MinibatchSize: 4}
	return in
}

// TestPrepare: the name of a job depends on its content only, inline or in files, and planning
// makes no call.
func TestPrepare(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	dir := t.TempDir()
	o.a.Documents = documents(dir)
	in := prepared(t)
	plan, err := activitytest.Run(t, o.a.PrepareOptimize, in)
	require.NoError(t, err)
	require.Equal(t, "p", plan.Name)
	require.Equal(t, 12, plan.Train)
	require.Equal(t, 28, plan.Val+plan.Confirm, "a part is set aside")
	require.True(t, plan.Priced)
	require.Positive(t, plan.CostUSD)
	require.NotEmpty(t, plan.Pace)
	require.False(t, plan.Pace[0].Measured)

	var rows []json.RawMessage
	require.NoError(t, json.Unmarshal(in.Trainset, &rows))
	var lines strings.Builder
	for _, row := range rows {
		lines.Write(append(row, '\n'))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "train.jsonl"), []byte(lines.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program.json"), in.Program, 0o600))
	named := in
	named.Trainset, named.Program = json.RawMessage(`{"uri":"train.jsonl"}`), json.RawMessage(`{"uri":"program.json"}`)
	same, err := activitytest.Run(t, o.a.PrepareOptimize, named)
	require.NoError(t, err)
	require.Equal(t, plan.Job, same.Job)
	named.Settings.Seed = 10
	other, err := activitytest.Run(t, o.a.PrepareOptimize, named)
	require.NoError(t, err)
	require.NotEqual(t, plan.Job, other.Job)
	asked, _ := o.lm.calls()
	require.Zero(t, asked)
}

// TestPrepareRefuses what cannot be optimized, before any call is paid.
func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(o *optimizing, in *PrepareInput)
		class  fault.Class
		says   string
	}{
		"no program":  {func(_ *optimizing, in *PrepareInput) { in.Program = json.RawMessage(`{}`) }, fault.Input, "program"},
		"no examples": {func(_ *optimizing, in *PrepareInput) { in.Trainset = json.RawMessage(`[]`) }, fault.Input, "no examples"},
		"a null":      {func(_ *optimizing, in *PrepareInput) { in.Valset = json.RawMessage(`[null]`) }, fault.Input, "example 1"},
		"no JSON":     {func(_ *optimizing, in *PrepareInput) { in.Trainset = json.RawMessage(`"x"`) }, fault.Input, "trainset"},
		"no file":     {func(_ *optimizing, in *PrepareInput) { in.Testset = json.RawMessage(`{"uri":"missing"}`) }, fault.Input, "missing"},
		"unknown command": {func(_ *optimizing, in *PrepareInput) {
			in.Metric = json.RawMessage(`{"kind":"command","command":"rm"}`)
		}, fault.Input, "not configured"},
		"no row to score by": {func(_ *optimizing, in *PrepareInput) {
			in.Valset = json.RawMessage(`[{"query":"a"},{"query":"b"},{"query":"c"},{"query":"d"},{"query":"e"},{"query":"f"}]`)
		}, fault.Input, `none of its 6 rows has the column "answer"`},
		"no row to confirm on": {func(_ *optimizing, in *PrepareInput) {
			in.Testset = json.RawMessage(`[{"query":"a","label":"x"}]`)
		}, fault.Input, `read testset: none of its 1 rows has the column "answer"`},
		"a judge from 1 to 5": {func(_ *optimizing, in *PrepareInput) {
			in.Metric = json.RawMessage(`{"kind":"judge","program":{"name":"j","predictors":[{"name":"self","inputs":[{"name":"query"}],
				"outputs":[{"name":"score","type":"literal","options":[1,2,3,4,5]}]}]}}`)
		}, fault.Input, "may be 2, which is not a number from 0 to 1"},
		"no price under a budget": {func(o *optimizing, in *PrepareInput) {
			models, err := o.a.Models()
			models.Student.Price, in.BudgetUSD = nil, 1
			o.a.Models = func() (RoleModels, error) { return models, err }
		}, fault.Budget, "no price"},
		"no models": {func(o *optimizing, _ *PrepareInput) {
			o.a.Models = func() (RoleModels, error) {
				return RoleModels{}, fault.New(fault.Input, "read", "cogflow.optimize", "no student")
			}
		}, fault.Input, "no student"},
		"no room":          {func(o *optimizing, _ *PrepareInput) { o.store.NoRoom = func(string) bool { return true } }, fault.Capacity, "no space left"},
		"a too large part": {func(_ *optimizing, in *PrepareInput) { in.Settings.MinibatchSize = 999 }, fault.Input, "minibatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOptimizing(t, ModeCompat)
			o.a.Documents, o.a.Judges = documents(t.TempDir()), &grades{}
			in := prepared(t)
			c.change(o, &in)
			_, err := activitytest.Run(t, o.a.PrepareOptimize, in)
			require.Equal(t, c.class, activitytest.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			asked, _ := o.lm.calls()
			require.Zero(t, asked)
		})
	}
}

// begin plans a job and makes it the current one.
func (o *optimizing) begin(in PrepareInput) {
	o.t.Helper()
	plan, err := activitytest.Run(o.t, o.a.PrepareOptimize, in)
	require.NoError(o.t, err)
	o.who.Job = plan.Job
}

// TestMetricCommand: a stored score is not requested again; a command that fails returns no
// score, and the activity fails.
func TestMetricCommand(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	g := &grades{fails: fault.New(fault.Transport, "run metric", "grade", "killed")}
	o.a.Judges = g
	in := prepared(t)
	in.Metric = json.RawMessage(`{"kind":"command","command":"grade"}`)
	o.begin(in)
	bootstrap := func() (Asked, error) { return activitytest.Run(t, o.a.BootstrapDemos, o.who) }
	_, err := bootstrap()
	require.Equal(t, fault.Transport, activitytest.ClassOf(err), "%v", err)
	g.fails = nil
	_, err = bootstrap()
	require.NoError(t, err)
	scored := g.asked.Load()
	_, err = bootstrap()
	require.NoError(t, err)
	require.Equal(t, scored, g.asked.Load())
}

// TestMetricProgramIsElsewhere: a job can be planned without the program of its metric. A stage
// calls no model before the program is installed.
func TestMetricProgramIsElsewhere(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	g := &grades{missing: true}
	o.a.Judges = g
	in := prepared(t)
	in.Metric = json.RawMessage(`{"kind":"command","command":"grade"}`)
	o.begin(in)
	_, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "its program was not found")
	asked, _ := o.lm.calls()
	require.Zero(t, asked)
	g.missing = false
	_, err = activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.NoError(t, err)
}

// TestModelWithoutAnswer: a request that is billed repeatedly without an answer is given up.
// The run continues without that answer and does not pay for it again.
func TestModelWithoutAnswer(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	o.lm.say(func(context.Context, int) error {
		return money.Charge(fault.New(fault.Transport, "ask", "model", "the answer is empty"), microUS)
	})
	out, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.NoError(t, err)
	asked, _ := o.lm.calls()
	require.Positive(t, asked)
	require.Zero(t, asked%money.MaxCharged, "each request has the same number of attempts")
	require.EqualValues(t, asked*microUS, out.Spend.CostMicroUSD)
	again, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.NoError(t, err)
	require.Zero(t, again.Calls)
	after, _ := o.lm.calls()
	require.Equal(t, asked, after)
}

// TestKeyIsMissing: no model is called while the API key of another model is missing.
func TestKeyIsMissing(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	o.a.Usable = func(model string) error {
		if model == "proposer" {
			return fault.New(fault.Auth, "ask model", model, "KEY is not set")
		}
		return nil
	}
	_, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.Equal(t, fault.Auth, activitytest.ClassOf(err), "%v", err)
	asked, _ := o.lm.calls()
	require.Zero(t, asked)
}

// TestTooLongPrompt: demos that do not fit lower the score of a candidate, and do not fail the run.
func TestTooLongPrompt(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	o.lm.reject(func(c prompt.Completion) error {
		if prompt.Tokens(c.Messages) < 200 {
			return nil
		}
		return &fault.Error{Class: fault.Input, Op: "ask", Subject: "model", Err: prompt.ErrTooLong}
	})
	_, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.NoError(t, err)
	o.lm.say(func(context.Context, int) error { return errors.New("asked again") })
	out, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.NoError(t, err)
	require.Zero(t, out.Calls)
}

// TestColumnsOfSomeRows: the first row need not have every column.
func TestColumnsOfSomeRows(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	in := prepared(t)
	in.Trainset = json.RawMessage(`[{"query":"topic 1"},{"query":"topic 2","answer":"2"},{"query":"topic 3","answer":"0"}]`)
	o.begin(in)
}

// TestUnpriced: a plan names the models that its cost does not include.
func TestUnpriced(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	models, err := o.a.Models()
	models.Student.Price = nil
	o.a.Models = func() (RoleModels, error) { return models, err }
	plan, err := activitytest.Run(t, o.a.PrepareOptimize, prepared(t))
	require.NoError(t, err)
	require.False(t, plan.Priced)
	require.Equal(t, []string{"student"}, plan.Unpriced)
	require.Positive(t, plan.CostUSD)
}

// TestJudgeOfAnotherScale: a run whose judge scores from 1 to 10 fails after a few answers, before
// the search uses wrong scores.
func TestJudgeOfAnotherScale(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	in := prepared(t)
	in.Metric = json.RawMessage(`{"kind":"judge","program":{"name":"j","predictors":[{"name":"self","inputs":[{"name":"predicted_answer"},{"name":"query"}],
		"outputs":[{"name":"score","type":"float"}]}]}}`)
	models, err := o.a.Models()
	models.Judge = prompt.Model{Name: "judge", Price: models.Student.Price}
	o.a.Models = func() (RoleModels, error) { return models, err }
	o.begin(in)
	scale := "7"
	o.lm.ends = func(c prompt.Completion, a *prompt.CompletionAnswer) {
		if c.Model == "judge" {
			a.Text = "[[ ## score ## ]]\n" + scale + "\n[[ ## completed ## ]]"
		}
	}
	for _, part := range o.parts() {
		if _, err = part.run(o); err != nil {
			break
		}
	}
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "scores are not numbers from 0 to 1; state the range")
	require.ErrorContains(t, err, "7.0")
}

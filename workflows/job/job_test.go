package job_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/flowtest"
	"github.com/cogniverse/cogflow/workflows/job"
)

// testJob is a job that waits until it is stopped or has budget.
type testJob struct {
	job.Run
	passed  []string
	details []string // what people saw, one entry a change
}

// start runs a testJob in a test environment and calls do after a minute.
func start(t *testing.T, in workflows.Common, do func(env *testsuite.TestWorkflowEnvironment), run func(workflow.Context, *testJob) error) *testJob {
	t.Helper()
	e := &testJob{}
	env := flowtest.NewEnvironment()
	env.RegisterDelayedCallback(func() { do(env) }, time.Minute)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		e.Run = job.New(ctx, func(workflow.Context) { e.details = append(e.details, e.Status("work")) })
		err := job.Listen(ctx, &e.Run, in, job.Handlers[string]{
			About: "how far it is", Progress: func() string { return e.Waiting }, Stops: true, Pays: true,
			Passed: func(_ workflow.Context, name string, _ any) { e.passed = append(e.passed, name) },
		})
		if err != nil {
			return err
		}
		return run(ctx, e)
	})
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	return e
}

func TestControls(t *testing.T) {
	t.Parallel()
	e := start(t, workflows.Common{}, func(env *testsuite.TestWorkflowEnvironment) {
		for _, name := range []string{workflows.SignalPause, workflows.SignalResume, workflows.SignalPause, workflows.SignalStop, workflows.SignalStop} {
			env.SignalWorkflow(name, nil)
		}
	}, func(ctx workflow.Context, e *testJob) error {
		return workflow.Await(ctx, func() bool { return e.Stops == 2 })
	})
	require.True(t, e.Paused)
	require.True(t, e.Enough)
	require.Equal(t, []string{workflows.SignalPause, workflows.SignalResume, workflows.SignalPause}, e.passed)
	require.Equal(t, "work, paused (signal `resume` continues)", e.details[0])
	require.Equal(t, "work", e.details[1])
	require.Equal(t, "work, paused (signal `resume` continues), stopping with the best so far", e.details[3])
}

// TestDryRunStatus: the status always shows that the run is a dry run.
func TestDryRunStatus(t *testing.T) {
	t.Parallel()
	r := job.Run{DryRun: true, Paused: true}
	require.Equal(t, "dry run: check, paused (signal `resume` continues)", r.Status("check"))
}

// TestAwaitBudget: a run that waits for budget continues at a new limit; an invalid limit
// changes nothing.
func TestAwaitBudget(t *testing.T) {
	t.Parallel()
	var refused error
	e := start(t, workflows.Common{BudgetUSD: 1}, func(env *testsuite.TestWorkflowEnvironment) {
		answer, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		var waiting string
		require.NoError(t, answer.Get(&waiting))
		require.Equal(t, job.WaitBudget, waiting)
		for _, usd := range []any{-1, "2", nil, 2.5} {
			env.UpdateWorkflow(workflows.UpdateBudget, "", &testsuite.TestUpdateCallback{
				OnReject: func(err error) { refused = errors.Join(refused, err) }, OnAccept: func() {}, OnComplete: func(any, error) {},
			}, usd)
		}
	}, func(ctx workflow.Context, e *testJob) error {
		return e.AwaitBudget(ctx, job.Unpaid{}, func() bool { return e.Budget != 1 })
	})
	require.InDelta(t, 2.5, e.Budget, 0)
	require.Empty(t, e.Waiting)
	require.ErrorContains(t, refused, "set budget")
	require.Len(t, refused.(interface{ Unwrap() []error }).Unwrap(), 2, "one error, and those before it")
	require.Equal(t, "work, waiting for budget (update `set_budget` raises it)", e.details[0])
	require.Equal(t, []string{workflows.SignalBudget}, e.passed)
}

// TestStatusIsOneLine: the reason of a wait can come from outside, so it is cleaned.
func TestStatusIsOneLine(t *testing.T) {
	t.Parallel()
	for waiting, want := range map[string]string{
		"a worker":        "work, **waiting for a worker**",
		"a`b\n|c":         "work, **waiting for a·b ·c**",
		job.WaitApproval:  "work, waiting for approval (update `approve`)",
		job.WaitPerson:    "work",
		job.WaitBudget:    "work, waiting for budget (update `set_budget` raises it)",
		"<b>bold</b> *x*": "work, **waiting for ·b·bold·/b· ·x·**",
	} {
		r := job.Run{Waiting: waiting}
		require.Equal(t, want, r.Status("work"))
	}
}

// TestContinueAsNew: received signals are handled before the run continues as new, and a
// cancelled run does not continue.
func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	for name, cancel := range map[string]bool{"goes on": false, "is cancelled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := flowtest.NewEnvironment()
			env.SetContinueAsNewSuggested(true)
			var r job.Run
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow(workflows.SignalPause, nil)
				if cancel {
					env.CancelWorkflow()
				}
			}, time.Minute)
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				r = job.New(ctx, func(workflow.Context) {})
				if err := job.Listen(ctx, &r, workflows.Common{}, job.Handlers[int]{Progress: func() int { return 0 }}); err != nil {
					return err
				}
				_ = workflow.Sleep(ctx, 2*time.Minute)
				require.True(t, job.MustContinue(ctx))
				return job.ContinueAsNew(ctx, func() any { return map[string]bool{"paused": r.Paused} })
			})
			require.True(t, env.IsWorkflowCompleted())
			var next *workflow.ContinueAsNewError
			if cancel {
				require.ErrorContains(t, env.GetWorkflowError(), "canceled")
				return
			}
			require.ErrorAs(t, env.GetWorkflowError(), &next)
			require.JSONEq(t, `{"paused":true}`, string(next.Input.GetPayloads()[0].GetData()))
		})
	}
}

// TestContinuationState: the state of a previous run is accepted only if the server says that
// there was one.
func TestContinuationState(t *testing.T) {
	t.Parallel()
	type state struct {
		Chain string `json:"chain"`
		Done  int    `json:"done"`
	}
	const here = "default-test-run-id"
	for name, c := range map[string]struct {
		raw       string
		continued bool
		want      *state
		refused   string
	}{
		"nothing":       {"", true, nil, ""},
		"its own":       {`{"chain":"` + here + `","done":3,"newer":1}`, true, &state{here, 3}, ""},
		"not continued": {`{"chain":"` + here + `"}`, false, nil, "reserved"},
		"another chain": {`{"chain":"x"}`, true, nil, "reserved"},
		"wrong type":    {`{"chain":1}`, true, nil, "read input"},
		"out of bounds": {`{"chain":"` + here + `","done":-1}`, true, nil, "done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := flowtest.NewEnvironment()
			if c.continued {
				env.SetContinuedExecutionRunID("r")
			}
			var got *state
			env.ExecuteWorkflow(func(ctx workflow.Context) (err error) {
				got, err = job.HandedOn(ctx, json.RawMessage(c.raw), func(s state) string { return s.Chain }, func(s *state) error {
					if s.Done < 0 {
						return job.Outside("done")
					}
					return nil
				})
				return workflows.Typed(err)
			})
			require.Equal(t, c.want, got)
			if c.refused == "" {
				require.NoError(t, env.GetWorkflowError())
			} else {
				require.ErrorContains(t, env.GetWorkflowError(), c.refused)
			}
		})
	}
}

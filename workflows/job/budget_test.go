package job_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// blockedBy is a budget of a tenant whose period ends after a time; 0 = never.
func blockedBy(ends time.Duration) *money.Blocked {
	b := &money.Blocked{Budget: money.Budget{Scope: money.Scope{Tenant: "acme"}, Period: money.Month, MicroUSD: 5_000_000}, EndsInMS: ends.Milliseconds()}
	if ends > 0 {
		b.Ends = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	}
	return b
}

// TestSharedBudget: a run that a shared budget blocks tries again when the period ends, at the
// signal of a change, and from time to time. The signal arrives after a minute.
func TestSharedBudget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ends  time.Duration
		times int
		after time.Duration
	}{
		"soon, at first":                    {0, 0, 8 * time.Second},
		"later":                             {0, 1, 32 * time.Second},
		"told before the next try":          {0, 3, time.Minute},
		"the period ends before":            {20 * time.Second, 3, 21 * time.Second},
		"told before the period ends":       {time.Hour, 9, time.Minute},
		"a try before the period ends":      {time.Hour, 0, 8 * time.Second},
		"never more than six hours, so far": {0, 1000, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var took time.Duration
			var stages []string
			e := start(t, workflows.Common{Tenant: "acme"}, func(env *testsuite.TestWorkflowEnvironment) {
				env.SignalWorkflow(workflows.SignalBudgets, nil)
			}, func(ctx workflow.Context, e *testJob) error {
				stage := func() {
					got, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(temporal.NewSearchAttributeKeyKeyword(workflows.AttrStage))
					stages = append(stages, got)
				}
				if err := e.ShowStage(ctx, "search", 0, 0); err != nil {
					return err
				}
				from := workflow.Now(ctx)
				workflow.Go(ctx, func(ctx workflow.Context) {
					if workflow.Sleep(ctx, time.Second) == nil {
						stage()
					}
				})
				err := e.AwaitBudget(ctx, job.Unpaid{By: blockedBy(c.ends), Times: c.times}, func() bool { return false })
				took = workflow.Now(ctx).Sub(from)
				stage()
				return err
			})
			require.Equal(t, c.after, took)
			require.Equal(t, []string{job.StageBudget, "search"}, stages)
			require.Empty(t, e.Waiting+e.BlockedText())
			want := "work, waiting for the budget of tenant acme ($5.00 a month): raise it with cogflow budget set --tenant acme --period month USD"
			if c.ends > 0 {
				want += "; it begins again at 2026-12-01 00:00 UTC"
			}
			require.Equal(t, want, e.details[0])
		})
	}
}

// TestSharedBudgetPoll: without any signal, the longest wait is six hours.
func TestSharedBudgetPoll(t *testing.T) {
	t.Parallel()
	var took time.Duration
	start(t, workflows.Common{}, func(*testsuite.TestWorkflowEnvironment) {}, func(ctx workflow.Context, e *testJob) error {
		from := workflow.Now(ctx)
		err := e.AwaitBudget(ctx, job.Unpaid{By: blockedBy(0), Times: 1000}, func() bool { return false })
		took = workflow.Now(ctx).Sub(from)
		return err
	})
	require.Equal(t, 6*time.Hour, took)
}

// TestSharedBudgetNews: a signal that came while the step was refused is not missed, and steps
// that wait at once share one mark.
func TestSharedBudgetNews(t *testing.T) {
	t.Parallel()
	ended := 0
	e := start(t, workflows.Common{}, func(env *testsuite.TestWorkflowEnvironment) {
		env.SignalWorkflow(workflows.SignalBudgets, nil)
	}, func(ctx workflow.Context, e *testJob) error {
		before := e.News
		if err := workflow.Sleep(ctx, 2*time.Minute); err != nil {
			return err
		}
		for range 3 {
			workflow.Go(ctx, func(ctx workflow.Context) {
				if e.AwaitBudget(ctx, job.Unpaid{By: blockedBy(0), News: before}, func() bool { return false }) == nil {
					ended++
				}
			})
		}
		from := workflow.Now(ctx)
		if err := workflow.Await(ctx, func() bool { return ended == 3 }); err != nil {
			return err
		}
		require.Equal(t, from, workflow.Now(ctx))
		return nil
	})
	require.Empty(t, e.Waiting)
	require.Equal(t, 3, ended)
}

package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
	trainflow "github.com/cogniverse/cogflow/workflows/train"

	"github.com/cogniverse/cogflow/activities/optimize"
)

// limit sets the total budget of the tenant of these tests.
func limit(t *testing.T, l any, micro int64) {
	t.Helper()
	require.NoError(t, l.(*ledger.Ledger).SetBudget(t.Context(), money.Budget{
		Scope: money.Scope{Tenant: "default"}, Period: money.Total, MicroUSD: micro,
	}))
}

// TestVideoWaitsForSharedBudget: a video at the budget of its tenant waits, says for what, and
// goes on when it is told that the budget was raised or cleared, or finds out by itself. One that
// is told acts within 10 seconds, also on a budget that was lowered.
func TestVideoWaitsForSharedBudget(t *testing.T) {
	t.Parallel()
	raise := func(t *testing.T, l any) { limit(t, l, 10_000) }
	for name, c := range map[string]struct {
		change func(t *testing.T, l any)
		told   bool
	}{
		"raised":            {raise, true},
		"raised, by itself": {raise, false},
		"cleared": {func(t *testing.T, l any) {
			found, err := l.(*ledger.Ledger).ClearBudget(t.Context(), money.Budget{Scope: money.Scope{Tenant: "default"}, Period: money.Total})
			require.NoError(t, err)
			require.True(t, found)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.video("harbour.txt", frames("harbour", 10)...)
			limit(t, w.ingest.Ledger, 4000)
			env := w.environment()
			waits := func(amount string) {
				value, err := env.QueryWorkflow(workflows.QueryProgress)
				require.NoError(t, err)
				var p ingest.VideoProgress
				require.NoError(t, value.Get(&p))
				require.Equal(t, string(fault.Budget), p.Waiting)
				require.Contains(t, p.BlockedBy, "the budget of tenant default ("+amount+" in total): raise it with cogflow budget set --tenant default --period total USD")
			}
			env.RegisterDelayedCallback(func() {
				waits("$0.004")
				limit(t, w.ingest.Ledger, 3000)
				env.SignalWorkflow(workflows.SignalBudgets, nil)
			}, time.Hour)
			var changed time.Time
			env.RegisterDelayedCallback(func() {
				waits("$0.003")
				changed = env.Now()
				c.change(t, w.ingest.Ledger)
				if c.told {
					env.SignalWorkflow(workflows.SignalBudgets, nil)
				}
			}, time.Hour+10*time.Second)
			env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
			out := videoResult(t, env)
			require.False(t, changed.IsZero())
			if c.told {
				require.LessOrEqual(t, env.Now().Sub(changed), 10*time.Second)
			}
			require.Equal(t, 10, out.Documents)
			for _, frame := range frames("harbour", 10) {
				require.Equal(t, 1, w.callsOf(frame), "the wait costs no answered call")
			}
		})
	}
}

// TestOptimizeWaitsForSharedBudget: likewise an optimization.
func TestOptimizeWaitsForSharedBudget(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	limit(t, s.optimize.Ledger, 2000)
	env := s.environment()
	env.RegisterDelayedCallback(func() {
		value, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		var p optimizeflow.Progress
		require.NoError(t, value.Get(&p))
		require.Equal(t, string(fault.Budget), p.Waiting)
		require.Contains(t, p.BlockedBy, "tenant default")
		limit(t, s.optimize.Ledger, 5_000_000)
		env.SignalWorkflow(workflows.SignalBudgets, nil)
	}, time.Hour)
	env.ExecuteWorkflow("OptimizePrompts", optimizeInput(optimize.ModeCompat))
	out, err := optimized(t, env)
	require.NoError(t, err)
	require.Equal(t, "optimized", out.Status)
	distinct, all := s.models.count()
	require.Equal(t, distinct, all, "the wait cost no answer")
}

// TestTrainWaitsForSharedBudget: training stops at a checkpoint, and goes on from it.
func TestTrainWaitsForSharedBudget(t *testing.T) {
	t.Parallel()
	in := answers("a")
	in.GPU = []string{"h100"}
	l := newLive(t, "h100")
	limit(t, l.train.Ledger, 0)
	run := l.start("TrainSFT", in)
	l.until(func(p trainflow.Progress) bool { return p.Waiting == string(fault.Budget) && p.BlockedBy != "" })
	limit(t, l.train.Ledger, 5_000_000)
	l.signal(workflows.SignalBudgets)
	require.Equal(t, "trained", l.result(run).Status)
	require.Equal(t, 12, l.trainer.computed())
}

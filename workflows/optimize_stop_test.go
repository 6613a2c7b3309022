package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/workflows"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

// stopWhenWaiting stops a run that waits for a reason; without an end it is cancelled
// long after.
func stopWhenWaiting(t *testing.T, env *testsuite.TestWorkflowEnvironment, in optimizeflow.Input, reason string) optimizeflow.Result {
	t.Helper()
	env.RegisterDelayedCallback(func() {
		value, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		var p optimizeflow.Progress
		require.NoError(t, value.Get(&p))
		require.Equal(t, reason, p.Waiting)
		env.SignalWorkflow(workflows.SignalStop, nil)
	}, time.Hour)
	env.RegisterDelayedCallback(env.CancelWorkflow, 100*time.Hour)
	env.ExecuteWorkflow("OptimizePrompts", in)
	out, err := optimized(t, env)
	require.NoError(t, err, "it did not end when it was stopped")
	return out
}

// TestOptimizeStopsWhileWaitingForBudget: in every stage, a stopped run ends with the best so
// far and pays nothing more.
func TestOptimizeStopsWhileWaitingForBudget(t *testing.T) {
	t.Parallel()
	whole, err := newOptimizeWorld(t).run(optimizeInput(optimize.ModeCompat))
	require.NoError(t, err)
	for share := 1; share < 20; share += 2 {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			t.Parallel()
			for _, mode := range []string{optimize.ModeCompat, optimize.ModeImproved} {
				s := newOptimizeWorld(t)
				in := optimizeInput(mode)
				in.BudgetUSD = whole.CostUSD * float64(share) / 20
				out := stopWhenWaiting(t, s.environment(), in, "budget")
				require.Equal(t, "stopped", out.Status)
				require.LessOrEqual(t, out.CostUSD, in.BudgetUSD)
				require.False(t, out.Promoted)
				require.Equal(t, out.Trials > 0, out.Version > 0, "a version is published if anything was tried")
				require.True(t, out.Trials > 0 || out.Kept)

				in.BudgetUSD = 0
				again, err := s.run(in)
				require.NoError(t, err)
				require.Equal(t, "optimized", again.Status, "a stopped job can be searched on")
				distinct, all := s.models.count()
				require.Equal(t, distinct, all, "nothing is paid twice")
			}
		})
	}
}

// TestOptimizeStopsWhileWaitingForApproval: without approval nothing is promoted.
func TestOptimizeStopsWhileWaitingForApproval(t *testing.T) {
	t.Parallel()
	in := optimizeInput(optimize.ModeCompat)
	in.Approve = true
	out := stopWhenWaiting(t, newOptimizeWorld(t).environment(), in, "approval")
	require.True(t, out.Verdict.Promote)
	require.False(t, out.Promoted)
	require.Equal(t, 1, out.Version)
}

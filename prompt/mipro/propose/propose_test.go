package propose_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/bootstrap"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/mipro/propose"
)

// TestMoreInstructions: a job that wants more instructions has the program and each predictor
// described once, so that they need no more calls of the proposer than DSPy's; the draws
// of DSPy's proposals do not change.
func TestMoreInstructions(t *testing.T) {
	t.Parallel()
	play := func(times int, refuse string) (plan *mipro.Plan, calls int, instructions [][]string) {
		j := miprotest.Job(t, miprotest.TwoSteps, miprotest.Small)
		j.Instructions = times
		plan, err := mipro.NewPlan(j)
		require.NoError(t, err)
		boot := bootstrap.New(plan)
		miprotest.Play(t, boot, 1, "")
		p := propose.New(plan, boot.Sets())
		return plan, miprotest.Play(t, p, 1, refuse), p.Instructions()
	}
	former, _, few := play(0, "")
	for _, refuse := range []string{"", "program_description", "module_description"} {
		plan, calls, many := play(2, refuse)
		for i := range many {
			n := len(few[i])
			require.Len(t, many[i], 2*n+1)
			require.Equal(t, few[i][0], many[i][0])
			require.NotContains(t, many[i][1:], "")
			require.Equal(t, former.Proposals[i], plan.Proposals[i][:n])
		}
		if refuse == "" {
			require.Equal(t, plan.Quote().Proposer, calls)
			require.LessOrEqual(t, plan.Quote().Proposer, former.Quote().Proposer+4, "two more for each predictor")
		}
	}
}

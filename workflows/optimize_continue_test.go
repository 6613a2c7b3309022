package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/workflows"
)

// TestOptimizeContinuesItsWait: in every stage, a run that continues as new while it waits for
// budget continues with that stage and the following ones.
func TestOptimizeContinuesItsWait(t *testing.T) {
	t.Parallel()
	for mode, stages := range map[string][]string{
		optimize.ModeImproved: {"BootstrapDemos", "ProposeInstructions", "SearchTrials", "ReflectOnFailures", "ConfirmBest"},
		optimize.ModeGEPA:     {"SearchTrials", "ConfirmBest"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			continuesWhereItWaited(t, mode, stages)
		})
	}
}

func continuesWhereItWaited(t *testing.T, mode string, stages []string) {
	t.Helper()
	calm := newOptimizeWorld(t)
	want, err := calm.run(optimizeInput(mode))
	require.NoError(t, err)
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			s := newOptimizeWorld(t)
			env := s.environment()
			var broke atomic.Bool
			env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
				broke.Store(info.ActivityType.Name == stage)
			})
			s.models.fail = func(c prompt.Completion) error {
				if broke.Load() {
					return fault.New(fault.Budget, "ask model", c.Model, "the limit is reached")
				}
				return nil
			}
			env.RegisterDelayedCallback(func() {
				broke.Store(false)
				env.SetContinueAsNewSuggested(true)
				env.UpdateWorkflow(workflows.UpdateBudget, "", &testsuite.TestUpdateCallback{
					OnAccept: func() {}, OnReject: func(err error) { require.NoError(t, err) }, OnComplete: func(any, error) {},
				}, 5.0)
			}, time.Hour)
			env.ExecuteWorkflow("OptimizePrompts", optimizeInput(mode))
			var continued *workflow.ContinueAsNewError
			require.True(t, errors.As(env.GetWorkflowError(), &continued), env.GetWorkflowError())
			s.models.fail = nil

			env = s.environment()
			env.SetContinuedExecutionRunID("the run before")
			env.ExecuteWorkflow("OptimizePrompts", json.RawMessage(continued.Input.GetPayloads()[0].GetData()))
			out, err := optimized(t, env)
			require.NoError(t, err)
			require.Equal(t, want.Trials, out.Trials)
			require.Equal(t, want.Verdict, out.Verdict)
			distinct, all := s.models.count()
			require.Equal(t, distinct, all, "no answer is asked for twice")
		})
	}
}

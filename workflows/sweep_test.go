package workflows_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/workflows"
)

// heard is what the runs of a sweep were told, by their seed.
type heard map[int64][]string

// sweepOf is a sweep of three seeds, two at a time, whose runs stand in for TrainSFT:
// each notes the signals that it has and ends when it is stopped or released.
func sweepOf(t *testing.T) (*testsuite.TestWorkflowEnvironment, heard, func()) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	told, release := heard{}, false
	env.RegisterWorkflow(workflows.TrainSweep)
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.TrainInput) (workflows.TrainResult, error) {
		seed, stopped := *in.Seed, false
		told[seed] = append(told[seed], "begun")
		for _, name := range []string{workflows.SignalPause, workflows.SignalResume, workflows.SignalStop} {
			workflow.Go(ctx, func(ctx workflow.Context) {
				for workflow.GetSignalChannel(ctx, name).Receive(ctx, nil) {
					told[seed] = append(told[seed], name)
					stopped = stopped || name == workflows.SignalStop
				}
			})
		}
		for !stopped && !release {
			if err := workflow.Sleep(ctx, time.Minute); err != nil {
				return workflows.TrainResult{}, err
			}
		}
		return workflows.TrainResult{Status: "trained", Version: 1}, nil
	}, workflow.RegisterOptions{Name: "TrainSFT"})
	env.RegisterActivity(newGym(t).train)
	return env, told, func() { release = true }
}

func sweepProgress(t *testing.T, env *testsuite.TestWorkflowEnvironment) (p workflows.SweepResult) {
	t.Helper()
	value, err := env.QueryWorkflow(workflows.QueryProgress)
	require.NoError(t, err)
	require.NoError(t, value.Get(&p))
	return p
}

func seeds(t *testing.T) workflows.SweepInput {
	t.Helper()
	train, err := json.Marshal(workflows.TrainInput{BaseModel: "m", Dataset: activities.Dataset{URI: "file:///rows.jsonl"}})
	require.NoError(t, err)
	return workflows.SweepInput{
		Method: "sft", Train: train, Grid: map[string][]json.RawMessage{"seed": {[]byte("1"), []byte("2"), []byte("3")}},
	}
}

// TestSweepPauses: those at work are told, and no other is started until it goes on.
func TestSweepPauses(t *testing.T) {
	t.Parallel()
	env, told, release := sweepOf(t)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalPause, nil) }, time.Hour)
	env.RegisterDelayedCallback(func() {
		require.True(t, sweepProgress(t, env).Paused)
		release()
	}, 2*time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Empty(t, told[3], "it was to be started when another had ended")
		env.SignalWorkflow(workflows.SignalResume, nil)
	}, 3*time.Hour)
	env.ExecuteWorkflow(workflows.TrainSweep, seeds(t))
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var out workflows.SweepResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, []string{"begun", "pause"}, told[1])
	require.Equal(t, []string{"begun", "pause"}, told[2])
	require.Equal(t, []string{"begun"}, told[3])
	require.Zero(t, out.Failed)
	require.Empty(t, out.Status)
	require.False(t, out.Paused)
}

// TestSweepStops: those at work end with their best, the others are not started.
func TestSweepStops(t *testing.T) {
	t.Parallel()
	for _, paused := range []bool{false, true} {
		env, told, _ := sweepOf(t)
		want := []string{"begun", "stop"}
		if paused {
			want = []string{"begun", "pause", "stop"}
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalPause, nil) }, time.Hour)
		}
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalStop, nil) }, 2*time.Hour)
		env.ExecuteWorkflow(workflows.TrainSweep, seeds(t))
		require.True(t, env.IsWorkflowCompleted())
		require.NoError(t, env.GetWorkflowError())
		var out workflows.SweepResult
		require.NoError(t, env.GetWorkflowResult(&out))
		require.Equal(t, want, told[1])
		require.Equal(t, want, told[2])
		require.Empty(t, told[3])
		require.Equal(t, "stopped", out.Status)
		require.Equal(t, 1, out.Failed)
		require.Contains(t, out.Runs[2].Failure.Reason, "stopped before")
	}
}

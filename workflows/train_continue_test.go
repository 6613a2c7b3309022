package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/training"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// TestTrainContinuesAnAdapter: a run begins with the weights of a published version, and is
// compared with it. What serves a role does not change.
func TestTrainContinuesAnAdapter(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	first := answers("a")
	first.Activate = true
	before, err := g.run(first)
	require.NoError(t, err)
	require.True(t, before.Active)
	require.Empty(t, before.Continues)

	in := answers("b")
	in.Continue = "routing@v1"
	plan := in
	plan.DryRun = true
	planned, err := g.run(plan)
	require.NoError(t, err)
	require.Equal(t, "routing@1", planned.Plan.Spec.Start.String())
	out, err := g.run(in)
	require.NoError(t, err)
	require.Equal(t, planned.Job, out.Job)
	require.Equal(t, 2, out.Version)
	require.Equal(t, "routing@1", out.Continues)
	require.Equal(t, "routing@1", out.Comparison.With)
	require.Contains(t, out.Comparison.Verdict, "better than routing@1, which it continues: ")
	require.False(t, out.Active)
	jobs := g.trainer.attempts()
	require.Nil(t, jobs[0].Start)
	require.Equal(t, planned.Plan.Spec.Start.SHA256, jobs[1].Start.SHA256)

	again, err := g.run(in)
	require.NoError(t, err)
	require.Equal(t, "unchanged", again.Status)
	require.Len(t, g.trainer.attempts(), 2, "the same version continued twice is one job")
	shown, err := activate(g, "routing", 1)
	require.NoError(t, err)
	require.Equal(t, 1, shown.Active.Version)
}

func activate(g *trainWorld, name string, version int) (trainflow.ActivateAdapterResult, error) {
	env := g.environment()
	env.ExecuteWorkflow("ActivateAdapter", trainflow.ActivateAdapterInput{Name: name, Version: version})
	var out trainflow.ActivateAdapterResult
	if err := env.GetWorkflowError(); err != nil {
		return out, err
	}
	return out, env.GetWorkflowResult(&out)
}

// TestTrainContinuesWhatIsNamed: what cannot be continued ends the run before any GPU is taken.
func TestTrainContinuesWhatIsNamed(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	_, err := g.run(answers("a"))
	require.NoError(t, err)
	rank, off := 4, false
	for want, change := range map[string]func(in *trainflow.Input){
		"must have a version, such as routing@1":  func(in *trainflow.Input) { in.Continue = "routing" },
		"not found":                               func(in *trainflow.Input) { in.Continue = "routing@7" },
		"its rank is 8, the setting lora.r is 4":  func(in *trainflow.Input) { in.LoRA = &training.LoRASettings{R: &rank} },
		"its rank is 8, the setting lora.r is 4;": func(in *trainflow.Input) { in.SFT = &training.Settings{LoRAR: &rank} },
		"use_lora is false":                       func(in *trainflow.Input) { in.SFT = &training.Settings{UseLoRA: &off} },
	} {
		in := answers("b")
		in.Continue = "routing@1"
		change(&in)
		_, err := g.run(in)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "type: input")
	}
	require.Len(t, g.trainer.attempts(), 1)
}

// TestTrainContinuesOnNewBuildsOnly: a worker of an earlier build ignores continue_from and would
// train a fresh adapter.
func TestTrainContinuesOnNewBuildsOnly(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	env := g.environment()
	env.OnActivity("PlanTraining", mock.Anything, mock.Anything).Return(train.Planned{}, nil)
	in := answers("a")
	in.Continue = "routing@1"
	env.ExecuteWorkflow("TrainSFT", in)
	require.ErrorContains(t, env.GetWorkflowError(), "of a build without continue_from; upgrade the workers of the pool cogflow")
}

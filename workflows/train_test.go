package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/train"
)

func TestTrainPublishesAnAdapter(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	out, err := g.run(answers("a"))
	require.NoError(t, err)
	require.Equal(t, "trained", out.Status)
	require.Equal(t, 1, out.Version)
	require.Equal(t, 12, out.Steps)
	require.True(t, out.Better, "%+v", out.Comparison)
	for _, j := range g.trainer.attempts() {
		require.Equal(t, &training.MayDrop{}, j.MayDrop, "allow_dropped is 0")
	}
	require.False(t, out.Active, "activation was not requested")
	require.Contains(t, g.keys("adapters/"), "adapters/routing/1/README.md")
	require.Contains(t, g.keys("adapters/"), "adapters/routing/1/last/adapter_model.safetensors")
	require.Contains(t, g.keys("reports/"), out.Report[len("default/"):])
	require.Empty(t, g.keys("training/"+out.Job+"/checkpoints/"), "a finished job needs none")
	require.NotContains(t, g.keys("training/"), "training/"+out.Job+"/claim.json")

	again, err := g.run(answers("a"))
	require.NoError(t, err)
	require.Equal(t, "unchanged", again.Status)
	require.Equal(t, out.Version, again.Version)
	require.Len(t, g.trainer.attempts(), 1, "a finished job does no work")

	other := answers("a")
	other.Name = "second"
	renamed, err := g.run(other)
	require.NoError(t, err)
	require.Equal(t, "unchanged", renamed.Status, "the name does not affect the result")
	require.Equal(t, g.weights("routing", 1), g.weights("second", 1))
}

// undisturbedWeights trains the same elsewhere with nothing going wrong.
func TestTrainOutOfMemory(t *testing.T) {
	t.Parallel()
	t.Run("a smaller micro-batch", func(t *testing.T) {
		t.Parallel()
		in := answers("a")
		want := undisturbedWeights(t, in)
		g := newTrainWorld(t)
		g.trainer.fits = 1
		_, err := g.run(in)
		require.NoError(t, err)
		var tried [][2]int
		for _, j := range g.trainer.attempts() {
			tried = append(tried, [2]int{j.MicroBatch, j.Accumulation})
		}
		require.Equal(t, [][2]int{{4, 4}, {2, 8}, {1, 16}}, tried)
		require.Equal(t, want, g.weights("routing", 1), "the effective batch is the same")
		require.Contains(t, g.object("default/adapters/routing/1/manifest.json"), `"micro_batch":1,`, "what fits is told")
	})
	t.Run("the next class", func(t *testing.T) {
		t.Parallel()
		g := newTrainWorld(t)
		g.trainer.fits = 0
		in := answers("a")
		in.GPU = []string{"a10g", "h100"}
		g.train.Prices["a10g"] = 1
		_, err := g.run(in)
		require.ErrorContains(t, err, "not even one row at a time fits the memory of h100")
		require.Len(t, g.trainer.attempts(), 6, "three sizes on two classes")
	})
}

func TestTrainBudgetIsKept(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	in := answers("a")
	in.GPU, in.BudgetUSD = []string{"h100"}, 0.01
	_, err := g.run(in)
	require.ErrorContains(t, err, "the budget is 0.01")
	in.GPU, in.BudgetUSD = []string{"l40s"}, 1
	_, err = g.run(in)
	require.ErrorContains(t, err, "price")
	require.Empty(t, g.trainer.attempts())

	in.GPU = []string{"h100"}
	out, err := g.run(in)
	require.NoError(t, err)
	require.Positive(t, out.CostUSD)
	require.Less(t, out.CostUSD, 0.05, "what was not used of the slice is given back")
}

func TestTrainActivation(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	in := answers("a")
	in.Activate = true
	out, err := g.run(in)
	require.NoError(t, err)
	require.True(t, out.Active)
	require.Equal(t, []string{"load default/routing@1"}, g.serving.said)

	in = answers("b")
	in.Activate = true
	g.trainer.worse = true
	out, err = g.run(in)
	require.NoError(t, err)
	require.False(t, out.Better)
	require.False(t, out.Active, "it is not better than its base")

	env := g.environment()
	env.ExecuteWorkflow("ActivateAdapter", train.ActivateAdapterInput{Name: "routing", Version: 2})
	require.ErrorContains(t, env.GetWorkflowError(), "force")
	env = g.environment()
	env.ExecuteWorkflow("ActivateAdapter", train.ActivateAdapterInput{Name: "routing", Version: 2, Force: true})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"load default/routing@1", "load default/routing@2", "unload default/routing@1"}, g.serving.said)

	env = g.environment()
	env.ExecuteWorkflow("RollbackAdapter", train.ActivateAdapterInput{Role: "routing"})
	require.NoError(t, env.GetWorkflowError())
	var now train.ActivateAdapterResult
	require.NoError(t, env.GetWorkflowResult(&now))
	require.Equal(t, 1, now.Active.Version)
	env = g.environment()
	env.ExecuteWorkflow("RollbackAdapter", train.ActivateAdapterInput{Role: "routing"})
	require.ErrorContains(t, env.GetWorkflowError(), "it has no previous version")
	env = g.environment()
	env.ExecuteWorkflow("DeactivateAdapter", train.ActivateAdapterInput{Role: "routing"})
	require.NoError(t, env.GetWorkflowError())

	env = g.environment()
	env.ExecuteWorkflow("ListAdapters", train.ListAdaptersInput{})
	var list registry.AdapterList
	require.NoError(t, env.GetWorkflowResult(&list))
	require.Len(t, list.Adapters, 2)
	require.Equal(t, 2, list.Adapters[0].Version)
	require.Equal(t, "deprecated", list.Adapters[1].Status)
}

func TestTrainDryRun(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	in := answers("a")
	in.DryRun, in.GPU = true, []string{"t4", "h100"}
	out, err := g.run(in)
	require.NoError(t, err)
	require.Equal(t, "dry_run", out.Status)
	require.Len(t, out.Plan.Estimate.Classes, 2)
	require.Equal(t, training.FP16, out.Plan.Spec.Numerics, "a t4 has no bfloat16")
	require.Empty(t, g.trainer.attempts())
	require.Empty(t, g.keys("training/"))
	require.False(t, out.Unchanged)

	in.DryRun = false
	_, err = g.run(in)
	require.NoError(t, err)
	in.DryRun = true
	out, err = g.run(in)
	require.NoError(t, err)
	require.Equal(t, "dry_run", out.Status)
	require.True(t, out.Unchanged, "it was trained before")
}

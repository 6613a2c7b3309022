package train

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/activities/placing"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
)

// shaped is a worker with a base model of a shape.
type shaped struct {
	oneModel
	shape estimate.Shape
	err   error // why its files cannot be read
}

func (s shaped) Shape(context.Context, training.Model) (estimate.Shape, error) { return s.shape, s.err }

func small() shaped {
	return shaped{shape: estimate.Shape{
		Architecture: "llama", Parameters: 1_000_000, WeightBytes: 4_000_000, Layers: 2, Hidden: 64, Intermediate: 128, Heads: 4, KVHeads: 4,
		Vocab: 1000, MaxPositions: 512, Linear: []estimate.Linear{{Name: "model.layers.*.self_attn.q_proj", In: 64, Out: 64, Count: 2}},
	}}
}

func planned() PlanInput {
	return PlanInput{
		Tenant: "default", Method: training.SFT, BaseModel: "m",
		Config: training.Config{Epochs: 2, BatchSize: 4, Accumulation: 1, MaxSeqLength: 256, LearningRate: 1e-4},
		LoRA:   &training.LoRA{R: 8, Alpha: 16, TargetModules: []string{"q_proj"}},
		Train:  training.File{SHA256: strings.Repeat("1", 64), Rows: 90}, Eval: &training.File{SHA256: strings.Repeat("2", 64), Rows: 10},
		Lengths: dataset.Spread{Total: 10_000, Max: 200}, Rows: 100, GPU: []string{"cpu"},
	}
}

func (j *trained) plan(change func(in *PlanInput)) (Plan, error) {
	j.t.Helper()
	in := planned()
	if change != nil {
		change(&in)
	}
	out, err := activitytest.Run(j.t, j.a.PlanTraining, in)
	return out.Plan, err
}

// TestPlan: the id of a job depends on everything that decides its result, and not on
// differences between workers or on its payment.
func TestPlan(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.a.Models, j.a.Prices = small(), estimate.Prices{"cpu": 1}
	first, err := j.plan(nil)
	require.NoError(t, err)
	require.Empty(t, first.Base.Path)
	require.EqualValues(t, 18_000, first.Estimate.Tokens, "the held-out rows are not trained on")
	require.Equal(t, training.FP32, first.Spec.Numerics)
	for name, c := range map[string]struct {
		same   bool
		change func(in *PlanInput)
	}{
		"budget":   {true, func(in *PlanInput) { in.BudgetUSD = 100 }},
		"lengths":  {true, func(in *PlanInput) { in.Lengths.Max = 100 }},
		"seed":     {false, func(in *PlanInput) { in.Seed++ }},
		"data":     {false, func(in *PlanInput) { in.Train.SHA256 = strings.Repeat("3", 64) }},
		"held out": {false, func(in *PlanInput) { in.Eval = nil }},
		"setting":  {false, func(in *PlanInput) { in.Config.Epochs = 3 }},
		"weights":  {false, func(in *PlanInput) { in.LoRA = nil }},
	} {
		out, err := j.plan(c.change)
		require.NoError(t, err, name)
		require.Equal(t, c.same, out.Job == first.Job, name)
	}
}

// TestPlanDefaultModules: modules that nobody chose become all-linear where the model lacks one.
func TestPlanDefaultModules(t *testing.T) {
	t.Parallel()
	usual := []string{"k_proj", "o_proj", "q_proj", "v_proj"}
	j := newTrained(t)
	base := small()
	j.a.Models, j.a.Prices = base, estimate.Prices{"cpu": 1}
	ask := func(chosen bool) (Plan, error) {
		return j.plan(func(in *PlanInput) { in.LoRA.TargetModules, in.Extras.DefaultModules = usual, !chosen })
	}
	_, err := ask(true)
	require.ErrorContains(t, err, "no such module")
	out, err := ask(false)
	require.NoError(t, err)
	require.Equal(t, []string{training.AllLinear}, out.Spec.LoRA.TargetModules)
	for _, name := range []string{"k_proj", "o_proj", "v_proj"} {
		base.shape.Linear = append(base.shape.Linear, estimate.Linear{Name: "model.layers.*.self_attn." + name, In: 64, Out: 64, Count: 2})
	}
	j.a.Models = base
	chosen, err := ask(true)
	require.NoError(t, err)
	out, err = ask(false)
	require.NoError(t, err)
	require.Equal(t, usual, out.Spec.LoRA.TargetModules)
	require.Equal(t, chosen.Job, out.Job, "the job that it was before")
}

// TestPlanRefuses what cannot be trained, cannot be paid or cannot be known, and names no
// job for it.
func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(j *trained, in *PlanInput)
		class  fault.Class
		says   string
	}{
		"a model that only reads": {func(j *trained, _ *PlanInput) {
			s := small()
			s.shape.Architecture = "bert"
			j.a.Models = s
		}, fault.Input, "encoder"},
		"a model that cannot be read": {func(j *trained, _ *PlanInput) {
			j.a.Models = shaped{err: fault.New(fault.Input, "read model", "m", "not a safetensors file")}
		}, fault.Input, "not a safetensors file"},
		"no class":          {func(_ *trained, in *PlanInput) { in.GPU = nil }, fault.Input, "at least cpu"},
		"unknown module":    {func(_ *trained, in *PlanInput) { in.LoRA.TargetModules = []string{"x_proj"} }, fault.Input, "no such module"},
		"too long a row":    {func(_ *trained, in *PlanInput) { in.Config.MaxSeqLength = 4096 }, fault.Input, "512 positions"},
		"a file of no rows": {func(_ *trained, in *PlanInput) { in.Rows = 0 }, fault.Input, "empty"},
		"too dear":          {func(_ *trained, in *PlanInput) { in.BudgetUSD = 1e-9 }, fault.Budget, "the budget is 0.00"},
		"no price":          {func(j *trained, in *PlanInput) { j.a.Prices, in.BudgetUSD = nil, 1 }, fault.Budget, "no known price"},
		"a store that is away": {func(j *trained, _ *PlanInput) {
			j.store.Fail(func(key string) error { return fault.New(fault.Transport, "read object", key, "connection reset") })
		}, fault.Transport, "connection reset"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newTrained(t)
			j.a.Models, j.a.Prices = small(), estimate.Prices{"cpu": 1}
			out, err := j.plan(func(in *PlanInput) { c.change(j, in) })
			require.Equal(t, c.class, activitytest.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.Empty(t, out.Job)
		})
	}
}

// TestPlanIsPlaced: rules choose the GPU classes of a job that names none, and the plan says so.
func TestPlanIsPlaced(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.a.Models, j.a.Prices = small(), estimate.Prices{"cpu": 1, "l4": 2, "t4": 1}
	j.a.Placing = &placing.Rules{All: []placement.Rule{
		{Name: "large", When: placement.Condition{MinRows: 1000}, Use: placement.Choice{Train: []string{"h100"}}},
		{Name: "own", Use: placement.Choice{Train: []string{"l4", "t4"}}},
	}}
	classes := func(f *placement.Facts) (names []string, d *placement.Decision) {
		p, err := j.plan(func(in *PlanInput) { in.Place = f })
		require.NoError(t, err)
		for _, c := range p.Estimate.Classes {
			names = append(names, c.Class)
		}
		return names, p.Placed
	}
	names, d := classes(&placement.Facts{Kind: placement.Train, Rows: 100})
	require.Equal(t, []string{"l4", "t4"}, names)
	require.Equal(t, "own", d.Rule)
	require.Equal(t, []placement.Passed{{Rule: "large", Why: "100 rows, fewer than 1000"}}, d.Passed)
	names, _ = classes(&placement.Facts{Kind: placement.Train, Named: true})
	require.Equal(t, []string{"cpu"}, names, "the job names its classes")
	names, d = classes(nil)
	require.Equal(t, []string{"cpu"}, names, "an earlier build asks")
	require.Nil(t, d)
}

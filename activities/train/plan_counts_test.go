package train

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/activities/train/measure"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// counts is a trainer that only counts.
type counts struct {
	data training.DataStats
	err  error
	runs int
}

func (c *counts) Check(context.Context) (map[string]string, error) { return nil, nil } //nolint:nilnil // no versions

func (c *counts) Run(_ context.Context, _ training.Job, _ string, _ io.Writer, _ <-chan struct{}, on func(training.Event) error) error {
	c.runs++
	if c.err != nil {
		return c.err
	}
	return on(training.Event{Event: training.EventData, Data: &c.data})
}

// TestPlanCounts: the estimate is that of the tokenizer's counts, which change nothing about
// the identity of a job. Cheaper refusals come first, and a finished job is not counted.
func TestPlanCounts(t *testing.T) {
	t.Parallel()
	c := &counts{data: training.DataStats{Rows: 90, Tokens: 20_000, Max: 250, Dropped: 2, EvalRows: 10, EvalTokens: 2_000}}
	j := newTrained(t)
	j.a.Models, j.a.Prices = small(), estimate.Prices{"cpu": 1}
	plan := func(change func(in *PlanInput)) (Planned, error) {
		in := planned()
		if change != nil {
			change(&in)
		}
		for _, sum := range []string{in.Train.SHA256, in.Eval.SHA256} {
			_, err := j.store.Put(t.Context(), training.DatasetKey("default", sum), strings.NewReader("{}"))
			require.NoError(t, err)
		}
		return activitytest.Run(t, j.a.PlanTraining, in)
	}
	estimated, err := plan(nil)
	require.NoError(t, err)
	require.Equal(t, "this worker has no trainer", estimated.Unmeasured)

	j.a.Tokens = measure.New(j.store, small(), c, j.a.Scratch)
	for _, change := range []func(in *PlanInput){
		func(in *PlanInput) { in.BudgetUSD = 1e-9 },
		func(in *PlanInput) { in.LoRA.TargetModules = []string{"x_proj"} },
	} {
		_, err := plan(change)
		require.Error(t, err)
	}
	require.Zero(t, c.runs)

	counted, err := plan(nil)
	require.NoError(t, err)
	require.Equal(t, &c.data, counted.Measured)
	require.EqualValues(t, 40_000, counted.Estimate.Tokens)
	require.Equal(t, 44, counted.Estimate.Steps, "rows that are left out make no step")
	require.Equal(t, estimated.Job, counted.Job)
	require.Greater(t, counted.Estimate.Classes[0].NeedBytes, estimated.Estimate.Classes[0].NeedBytes, "the longest row is longer")

	j.a.Tokens = measure.New(j.store, small(), &counts{err: fault.New(fault.Input, "train", "measure", "the template refuses row 7")}, j.a.Scratch)
	_, err = plan(func(in *PlanInput) { in.Config.MaxSeqLength = 128 })
	require.Equal(t, fault.Input, activitytest.ClassOf(err))
	require.ErrorContains(t, err, "the template refuses row 7")

	j.in.Job, j.in.Spec, j.a.Prices = counted.Job, counted.Spec, estimate.Prices{"cpu": 0}
	_, err = j.run()
	require.NoError(t, err)
	done, err := plan(nil)
	require.NoError(t, err)
	require.True(t, done.Unchanged)
	require.Nil(t, done.Measured)
	require.Equal(t, 1, c.runs)
}

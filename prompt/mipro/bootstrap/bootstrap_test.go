package bootstrap_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/bootstrap"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/python"
)

// TestSets: the first set is empty, the second has only labels, and the others begin with
// successful runs, in any order of the answers.
func TestSets(t *testing.T) {
	t.Parallel()
	plan, err := mipro.NewPlan(miprotest.Job(t, miprotest.TwoSteps, miprotest.Small))
	require.NoError(t, err)
	first := bootstrap.New(plan)
	miprotest.Play(t, first, 1, "")
	again := bootstrap.New(plan)
	miprotest.Play(t, again, 2, "")
	require.Equal(t, first.Sets(), again.Sets())
	for _, sets := range first.Sets() {
		require.Len(t, sets, 4)
		require.Empty(t, sets[0])
		for i, set := range sets[1:] {
			require.NotEmpty(t, set)
			_, ran := set[0].Get("augmented")
			require.Equal(t, i > 0, ran, "set %d must begin with a run", i+1)
		}
	}
}

// TestSharedLabels: each predictor draws its labels from all remaining examples. With
// Job.SharedLabels it draws them from the labels of the previous predictor.
func TestSharedLabels(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		job := miprotest.Job(t, miprotest.TwoSteps, miprotest.Small)
		job.SharedLabels = shared
		plan, err := mipro.NewPlan(job)
		require.NoError(t, err)
		b := bootstrap.New(plan)
		miprotest.Play(t, b, 1, "answer")
		first, second := b.Sets()[0][2], b.Sets()[1][2]
		require.Len(t, second, 4)
		require.Equal(t, shared, !slices.ContainsFunc(second, func(demo *prompt.Object) bool { return !slices.Contains(first, demo) }))
	}
}

// TestNothingScores: if no answer of the teacher can be parsed, sets consist of labels.
func TestNothingScores(t *testing.T) {
	t.Parallel()
	job := miprotest.Job(t, miprotest.OneStep, miprotest.Small)
	plan, err := mipro.NewPlan(job)
	require.NoError(t, err)
	b := bootstrap.New(plan)
	calls := miprotest.Play(t, b, 1, "answer")
	require.Equal(t, 2*2*len(job.Train), calls, "two sets, with one retry of every call")
	for _, set := range b.Sets()[0][1:] {
		require.Len(t, set, 4)
		for _, demo := range set {
			query, _ := demo.Get("query")
			require.Contains(t, python.Str(query), "topic")
			_, ran := demo.Get("augmented")
			require.False(t, ran)
		}
	}
	require.Error(t, b.Take("demos/2/0#0", mipro.Answer{}), "the stage is over")
}

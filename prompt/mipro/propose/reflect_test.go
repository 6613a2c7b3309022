package propose_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/mipro/propose"
)

// TestReflect: failures on the training set are shown to the model, which writes instructions.
func TestReflect(t *testing.T) {
	t.Parallel()
	j := miprotest.Job(t, miprotest.TwoSteps, miprotest.Small)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	r := propose.NewReflect(plan, j.Program, 12, 3)
	var shown []string
	for calls := r.Calls(); len(calls) > 0; calls = r.Calls() {
		for _, call := range calls {
			if call.Role == mipro.Proposer {
				shown = append(shown, call.Request.Messages[1].Content)
			}
			require.NoError(t, r.Take(call.ID, mipro.Answer{Text: miprotest.Answer(call, "")}))
		}
	}
	require.Len(t, shown, 6, "three for each of two predictors")
	require.Contains(t, shown[0], "Example 1, score 0.0\ngiven:\n  query: topic ")
	require.Contains(t, shown[0], "\nexpected of the program:\n  answer: ")
	require.LessOrEqual(t, strings.Count(shown[0], "Example "), 8)
	for _, example := range j.Val {
		query, _ := example.Get("query")
		require.NotContains(t, shown[0], query.(string)+"\n", "validation examples are not shown")
	}
	for _, instructions := range r.Instructions() {
		require.Len(t, instructions, 3)
	}

	r = propose.NewReflect(plan, j.Program, 12, 2)
	miprotest.Play(t, r, 1, "answer")
	require.Len(t, r.Instructions()[0], 2, "runs without an answer are failures too")
	r = propose.NewReflect(plan, j.Program, 12, 2)
	miprotest.Play(t, r, 1, "new_instruction")
	require.Equal(t, [][]string{nil, nil}, r.Instructions())
	r = propose.NewReflect(plan, j.Program, 0, 2)
	require.Empty(t, r.Calls())
	require.Equal(t, [][]string{nil, nil}, r.Instructions())
}

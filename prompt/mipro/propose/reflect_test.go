package propose_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
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
	r := propose.NewReflect(plan, j.Program, propose.Reflection{Examples: 12, Variants: 3})
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

	r = propose.NewReflect(plan, j.Program, propose.Reflection{Examples: 12, Variants: 2})
	miprotest.Play(t, r, 1, "answer")
	require.Len(t, r.Instructions()[0], 2, "runs without an answer are failures too")
	r = propose.NewReflect(plan, j.Program, propose.Reflection{Examples: 12, Variants: 2})
	miprotest.Play(t, r, 1, "new_instruction")
	require.Equal(t, [][]string{nil, nil}, r.Instructions())
	r = propose.NewReflect(plan, j.Program, propose.Reflection{Variants: 2})
	require.Empty(t, r.Calls())
	require.Equal(t, [][]string{nil, nil}, r.Instructions())
}

// TestReflections: each reflection of a job has other examples, until all were used, and shows
// the feedback of the metric. The only reflection of an older job has neither.
func TestReflections(t *testing.T) {
	t.Parallel()
	j := miprotest.Job(t, miprotest.TwoSteps, miprotest.Small)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	feedback := regexp.MustCompile(`\nfeedback: answer is wrong: expected '\d', got '\w*'`)
	used := map[string]int{}
	for number := range 4 {
		r := propose.NewReflect(plan, j.Program, propose.Reflection{Examples: 10, Variants: 1, Number: number})
		asked, shown := map[string]bool{}, ""
		for calls := r.Calls(); len(calls) > 0; calls = r.Calls() {
			for _, call := range calls {
				if text := call.Request.Messages[len(call.Request.Messages)-1].Content; call.Role == mipro.Proposer {
					shown = text
				} else {
					asked[regexp.MustCompile(`topic \d+`).FindString(text)] = true
				}
				require.NoError(t, r.Take(call.ID, mipro.Answer{Text: miprotest.Answer(call, "")}))
			}
		}
		require.Len(t, asked, 10)
		require.Equal(t, number > 0, feedback.MatchString(shown), shown)
		if number == 1 || number == 2 {
			for topic := range asked {
				used[topic]++
			}
		}
	}
	require.Len(t, used, 20, "the first two have all 20 training examples")
}

// TestLongInstructions: instructions that no program file may have are not proposed. The program
// could not be read after it is published.
func TestLongInstructions(t *testing.T) {
	t.Parallel()
	play := func(s miprotest.Stage, field string, size int) {
		long := "[[ ## " + field + " ## ]]\n" + strings.Repeat("a", size) + "\n"
		for calls := s.Calls(); len(calls) > 0; calls = s.Calls() {
			for _, call := range calls {
				text := miprotest.Answer(call, "")
				if strings.Contains(text, "[[ ## "+field+" ## ]]") {
					text = long
				}
				require.NoError(t, s.Take(call.ID, mipro.Answer{Text: text}))
			}
		}
	}
	j := miprotest.Job(t, miprotest.TwoSteps, miprotest.Small)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	for size, taken := range map[int]bool{prompt.MaxInstructionBytes: true, prompt.MaxInstructionBytes + 1: false} {
		p := propose.New(plan, make([][][]*prompt.Object, len(j.Program.Predictors)))
		play(p, "proposed_instruction", size)
		for _, instructions := range p.Instructions() {
			require.Equal(t, !taken, instructions[1] == instructions[0], "the original is kept")
		}
		r := propose.NewReflect(plan, j.Program, propose.Reflection{Examples: 12, Variants: 2, Number: 1})
		play(r, "new_instruction", size)
		for _, instructions := range r.Instructions() {
			require.Equal(t, taken, len(instructions) > 0)
		}
	}
}

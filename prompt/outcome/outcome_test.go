package outcome_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/outcome"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for finish, want := range map[string]outcome.Reason{
		"": "", " ": "", "null": "", "stop": "", "STOP": "", "eos_token": "", "end_turn": "", "stop_sequence": "", "length": outcome.Truncated, "MAX_TOKENS": outcome.Truncated,
		"model_length": outcome.Truncated, "content_filter": outcome.Filter, "SAFETY": outcome.Filter, "refusal": outcome.Refusal,
		"tool_calls": outcome.Other, "error": outcome.Other, "insufficient_system_resource": outcome.Other,
	} {
		require.Equal(t, want, outcome.Of(finish), finish)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	var answers []outcome.Answer
	add := func(n int, role string, r outcome.Reason, sample string) {
		for range n {
			answers = append(answers, outcome.Answer{Role: role, Reason: r, Sample: sample})
		}
	}
	add(20, "student", "", "")
	add(10, "student", outcome.Truncated, "…")
	add(2, "student", outcome.Unreadable, "no")
	add(1, "student", outcome.Unreadable, "never")
	add(7, "teacher", "", "")
	add(3, "teacher", outcome.Truncated, "")
	groups := outcome.Count(answers)
	require.Equal(t, []outcome.Group{
		{Role: "student", Reason: outcome.Truncated, Answers: 10, Of: 33, Samples: []string{"…"}},
		{Role: "student", Reason: outcome.Unreadable, Answers: 3, Of: 33, Samples: []string{"no", "never"}},
		{Role: "teacher", Reason: outcome.Truncated, Answers: 3, Of: 10},
	}, groups)
	require.Empty(t, outcome.Warnings(groups))
	add(2, "student", outcome.Truncated, "")
	require.Equal(t, []string{"student: 12 of 35 answers were truncated by max_tokens; raise max_tokens of this model, or turn its thinking off"},
		outcome.Warnings(outcome.Count(answers)))
	require.Empty(t, outcome.Count(nil))
	require.Equal(t, []string{"student: 1 of 99 answers are to prompts of which the server counts fewer tokens than they have words; " +
		"the server may read a part of long prompts only: raise its context length, such as num_ctx of Ollama"},
		outcome.Warnings([]outcome.Group{{Role: "student", Reason: outcome.CutPrompt, Answers: 1, Of: 99}}))
}

// TestMerge: the counts of the parts of a run add up, and the examples stay few.
func TestMerge(t *testing.T) {
	t.Parallel()
	cut := func(n, of int, samples ...string) outcome.Group {
		return outcome.Group{Role: "describe", Reason: outcome.Truncated, Answers: n, Of: of, Samples: samples}
	}
	empty := outcome.Group{Role: "describe", Reason: outcome.Empty, Answers: 3, Of: 4}
	first := []outcome.Group{cut(2, 8, "a", "b")}
	got := outcome.Merge(first, []outcome.Group{cut(3, 2, "b", "c", "d"), empty})
	require.Equal(t, []outcome.Group{cut(5, 10, "a", "b", "c"), empty}, got)
	require.Equal(t, []outcome.Group{cut(2, 8, "a", "b")}, first, "the parts are not changed")
	require.Empty(t, outcome.Merge(nil, nil))

	require.Equal(t, []outcome.Group{cut(5, 20, "a", "b", "c"), {Role: "describe", Reason: outcome.Empty, Answers: 3, Of: 20}}, outcome.Among(got, "describe", 20))
	require.Equal(t, got, outcome.Among(got, "student", 20))
}

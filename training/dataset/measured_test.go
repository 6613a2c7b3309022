package dataset

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
)

// TestMeasure: what a chat template adds is not known before its model counts, so no length
// is advised from estimates. SmolLM3's template makes 282 tokens of rows with 30.
func TestMeasure(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/support.jsonl")
	require.NoError(t, err)
	got, err := prepare(t, CheckOptions{MaxSeqLength: 512}, string(text), "")
	require.NoError(t, err)
	advised := func(c Check) int {
		return slices.IndexFunc(c.Suggestions, func(s string) bool { return len(s) > 21 && s[:21] == "--set max_seq_length=" })
	}
	c := got.check
	assert.Less(t, c.Train.Tokens.P50, 60)
	assert.Negative(t, advised(c))
	before := len(c.Suggestions)

	c.Measure(training.DataStats{Rows: 54, P50: 282, P90: 288, P99: 295, Max: 300}, training.Config{MaxSeqLength: 512})
	assert.Negative(t, advised(c), "a shorter length would save nothing")
	assert.Equal(t, 282, c.Measured.P50)
	assert.Len(t, c.Suggestions, before)

	c.Measure(training.DataStats{Rows: 54, P50: 282, P90: 288, P99: 295, Max: 300}, training.Config{MaxSeqLength: 2048})
	assert.Equal(t, "--set max_seq_length=384 would be enough and take less memory: the longest row has about 300 tokens.", c.Suggestions[0])

	c.Measure(training.DataStats{Rows: 54, P50: 282, P90: 288, P99: 295, Max: 300, Truncated: 50, Dropped: 3}, training.Config{MaxSeqLength: 256})
	assert.Equal(t, "--set max_seq_length=320 would cut off about 1 row of 100 (longest: about 300 tokens).", c.Suggestions[0])
	assert.Len(t, c.Suggestions, before+1, "the advice for another length is gone")
	assert.Contains(t, c.Problems, Problem{
		Severity: SeverityWarning, Code: "truncation", File: "d.jsonl", Reason: "50 of 54 rows are longer than 256 tokens and are cut off",
		Fix: "set max_seq_length to 320, or split long rows",
	})
	assert.Contains(t, c.Problems, Problem{
		Severity: SeverityWarning, Code: "no_room", File: "d.jsonl", Reason: "3 of 54 rows have no part of an answer within 256 tokens and are left out",
		Fix: "shorten their prompts, or raise max_seq_length",
	})
	assert.Equal(t, 3, c.Counts["no_room"])
}

// TestMeasurePairs: DPO cuts prompts at their beginning, where a template writes its header.
func TestMeasurePairs(t *testing.T) {
	t.Parallel()
	got, err := prepare(t, CheckOptions{MaxSeqLength: 512}, manyRows(60, `{"prompt": "q #", "chosen": "a", "rejected": "b"}`), "")
	require.NoError(t, err)
	c := got.check
	c.Measure(training.DataStats{Rows: 54, P50: 282, P90: 288, P99: 295, Max: 300, Truncated: 54}, training.Config{MaxSeqLength: 512, MaxPromptLength: 256})
	assert.Contains(t, c.Problems, Problem{
		Severity: SeverityWarning, Code: "truncation", File: "d.jsonl",
		Reason: "54 of 54 rows lose the beginning of a prompt of more than 256 tokens, or the end of a row of more than 512",
		Fix:    "raise max_prompt_length, or shorten the prompts",
	})
	for _, s := range c.Suggestions {
		assert.NotContains(t, s, "max_seq_length")
	}
}

// TestMeasureReplacesEstimates: warnings from estimates do not stay beside the counts.
func TestMeasureReplacesEstimates(t *testing.T) {
	t.Parallel()
	got, err := prepare(t, CheckOptions{MaxSeqLength: 8}, manyRows(60, `{"prompt": "a prompt of more than eight tokens, number #", "completion": "and its answer"}`), "")
	require.NoError(t, err)
	c := got.check
	require.Equal(t, 60, c.Counts["no_room"])
	require.Equal(t, 1, c.Counts["truncation"])
	c.Measure(training.DataStats{Rows: 54, P50: 6, P90: 6, P99: 7, Max: 8}, training.Config{MaxSeqLength: 8})
	assert.NotContains(t, c.Counts, "no_room")
	assert.NotContains(t, c.Counts, "truncation")
	for _, p := range c.Problems {
		assert.NotContains(t, []string{"no_room", "truncation"}, p.Code)
	}
	for _, s := range c.Suggestions {
		assert.NotContains(t, s, "max_seq_length")
	}
}

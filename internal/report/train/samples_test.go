package train

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/summary"
)

// TestRatedSamples: an answer shows how it is rated.
func TestRatedSamples(t *testing.T) {
	t.Parallel()
	for good, want := range map[bool][2]string{true: {"want", "Answer rated good"}, false: {"reject", "Answer rated bad"}} {
		prompt, label := rows.Part{Key: rows.KeyPrompt, Text: "Who?"}, rows.Part{Key: rows.KeyLabel, Good: &good}
		for _, answer := range []rows.Part{
			{Key: rows.KeyCompletion, Text: "Ana."},
			{Key: rows.KeyCompletion, Messages: []rows.Message{{Role: rows.RoleAssistant, Content: "Ana."}}},
		} {
			got := turns(summary.Sample{Parts: []rows.Part{prompt, answer, label}})
			assert.Len(t, got, 2)
			assert.Equal(t, want, [2]string{got[1].Side, got[1].Who})
			assert.Equal(t, "Ana.", got[1].Text)
		}
	}
}

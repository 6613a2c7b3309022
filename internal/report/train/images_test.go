package train

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/summary"
)

// TestTurnsWithImages: a row with images names them where they are shown.
func TestTurnsWithImages(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0123456789abcdef", 4)
	said := func(line string) (out []string) {
		row, err := rows.ReadRow([]byte(strings.ReplaceAll(line, "SUM", sum)))
		require.NoError(t, err)
		for _, turn := range turns(summary.Sample{Parts: row.Parts}) {
			out = append(out, turn.Who+": "+turn.Text)
		}
		return out
	}
	require.Equal(t, []string{"User: image 0123456789ab", "User: What is this?", "Expected answer: a square"},
		said(`{"messages":[{"role":"user","content":[{"type":"image","image":"SUM"},{"type":"text","text":"What is this?"}]},{"role":"assistant","content":"a square"}]}`))
	require.Equal(t, []string{"Query: a square", "Should be near: image 0123456789ab"}, said(`{"anchor":"a square","positive":{"image":"SUM"}}`))
}

package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []int
		runs  int
	}{
		"none":            {nil, 0},
		"one":             {[]int{7}, 1},
		"each line":       {[]int{1, 2, 3, 4, 5}, 1},
		"four lines each": {[]int{2, 6, 10, 14}, 1},
		"gaps":            {[]int{1, 2, 4, 5, 6, 9, 10}, 3},
		"several a line":  {[]int{1, 1, 1, 2, 2, 3}, 4},
		"irregular":       {[]int{1, 5, 6, 20, 21, 40}, 3},
	} {
		var w lineWriter
		for _, line := range c.lines {
			w.add(line)
		}
		for i, line := range c.lines {
			assert.Equal(t, line, w.lines.Of(i+1), "%s: row %d", name, i+1)
		}
		assert.LessOrEqual(t, len(w.lines), c.runs, "%s: %v", name, w.lines)
		assert.Zero(t, w.lines.Of(0))
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // of a test
	var w lineWriter
	var all []int
	for line := 1; len(w.lines) < maxLineRuns; line += 1 + random.IntN(3) {
		w.add(line)
		all = append(all, line)
	}
	for i, line := range all {
		require.Equal(t, line, w.lines.Of(i+1))
	}
	for line := all[len(all)-1]; !w.lost; line += 1 + random.IntN(3) {
		w.add(line)
	}
	assert.Zero(t, w.lines.Of(3), "a file that is too irregular has no lines")
}

// TestPrepareLines: the lines are those of the file, with held-out and left out rows taken away.
func TestPrepareLines(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 400 {
		answer := "answer"
		if i%50 == 7 {
			answer = ""
		}
		fmt.Fprintf(&text, `{"prompt": "line %d", "completion": %q}`+"\n", i+1, answer)
	}
	got, err := prepare(t, CheckOptions{AllowDropped: 10}, text.String(), "")
	require.NoError(t, err)
	for _, side := range []struct {
		written string
		lines   Lines
	}{{got.train, got.check.TrainLines}, {got.held, got.check.EvalLines}} {
		require.NotEmpty(t, side.lines)
		for i, row := range bytes.Split(bytes.TrimSpace([]byte(side.written)), []byte("\n")) {
			var in struct{ Prompt string }
			require.NoError(t, json.Unmarshal(row, &in))
			require.Equal(t, in.Prompt, fmt.Sprintf("line %d", side.lines.Of(i+1)))
		}
	}
}

package dataset

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// TestFind: what the tokenizer shows is told by the lines of the file, and rows that cannot be
// trained on count against allow_dropped.
func TestFind(t *testing.T) {
	t.Parallel()
	text := manyRows(60, `{"prompt": "ask #", "completion": "say #"}`) + `{"prompt": "ask", "completion": ""}` + "\n"
	refused := training.Finding{
		File: training.FindingTrain, Severity: training.FindingError, Code: training.FindingRefused, Reason: "the chat template refuses \x1b[31mit",
		Fix: "write another", Count: 2, Rows: []int{3, 9},
	}
	nothing := refused
	nothing.Code, nothing.Reason = training.FindingNothing, "no part of an answer is left"
	warned := training.Finding{File: training.FindingTrain, Severity: training.FindingWarning, Code: "special_token", Field: "prompt", Reason: "the text has <s>", Count: 1, Rows: []int{5}}
	whole := training.Finding{File: training.FindingTrain, Severity: training.FindingWarning, Code: "end_not_learned", Reason: "no row teaches </s>"}
	found := func(allow float64, list ...training.Finding) (Check, error) {
		got, err := prepare(t, CheckOptions{ValidationShare: -1, AllowDropped: 1}, text, "")
		require.NoError(t, err)
		return got.check, got.check.Find(list, allow)
	}
	_, err := found(9, refused)
	require.ErrorContains(t, err, "the chat template refuses", "training cannot leave the row out")
	c, err := found(2, warned, nothing, whole)
	require.ErrorContains(t, err, "line 3: no part of an answer is left (2 such rows: lines 3, 9)")
	assert.Equal(t, training.FindingNothing, c.Problems[0].Code)

	c, err = found(2, warned, refused, whole)
	require.ErrorContains(t, err, `check dataset "d.jsonl": line 3: the chat template refuses`)
	require.ErrorContains(t, err, "(2 such rows: lines 3, 9); write another")
	assert.NotContains(t, err.Error(), "\x1b")
	assert.Equal(t, fault.Input, fault.ClassOf(err))
	assert.False(t, c.OK)
	assert.Equal(t, 1, c.Errors)
	assert.Equal(t, "template_refuses", c.Problems[0].Code)

	c, err = found(3, nothing, warned, whole)
	require.NoError(t, err, "two rows and the one that was left out are allowed")
	assert.True(t, c.OK)
	var said []string
	for _, p := range c.Problems {
		assert.NotEqual(t, SeverityError, p.Severity)
		said = append(said, p.String())
	}
	assert.Contains(t, said, `line 5, field "prompt": the text has <s>`)
	assert.Contains(t, said, "no row teaches </s>")
	assert.Equal(t, 2, c.Counts[training.FindingNothing])

	c, _ = found(9)
	c.TrainLines = nil
	require.NoError(t, c.Find([]training.Finding{nothing}, 9))
	i := slices.IndexFunc(c.Problems, func(p Problem) bool { return p.Code == training.FindingNothing })
	assert.Equal(t, "no part of an answer is left (2 such rows: training rows 3, 9)", c.Problems[i].Reason)
	assert.Zero(t, c.Problems[i].Line)

	array := "[" + strings.TrimRight(strings.ReplaceAll(manyRows(60, `{"prompt": "ask #", "completion": "say #"}`), "\n", ","), ",") + "]"
	got, err := prepare(t, CheckOptions{ValidationShare: -1}, array, "")
	require.NoError(t, err)
	require.ErrorContains(t, got.check.Find([]training.Finding{refused}, 0), "row 3: the chat template refuses", "all rows are on line 1")
}

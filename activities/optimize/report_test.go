package optimize

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// TestReportedRows: rows whose score changed come first. A confirmation of an earlier build,
// without the numbers of its rows, has all rows.
func TestReportedRows(t *testing.T) {
	t.Parallel()
	var examples []*prompt.Object
	for i := range 3 {
		examples = append(examples, python.NewObject("i", int64(i)))
	}
	for _, c := range []struct {
		stored string
		want   []int // of examples; nil = refused
	}{
		{`{"before":[0,1,1],"after":[0,1,0],"before_outputs":[null,null,null],"after_outputs":[null,null,null]}`, []int{2, 0}},
		{`{"rows":[2,0],"before":[0,0],"after":[0,1],"before_outputs":[null,null],"after_outputs":[null,null]}`, []int{0, 2}},
		{`{"before":null,"after":null,"before_outputs":null,"after_outputs":null}`, []int{}},
		{`{"before":[0],"after":[1],"before_outputs":[null],"after_outputs":[null]}`, nil},
		{`{"rows":[1,2],"before":[0],"after":[1],"before_outputs":[null],"after_outputs":[null]}`, nil},
	} {
		var stored confirmation
		require.NoError(t, json.Unmarshal([]byte(c.stored), &stored))
		rows, err := stored.reported(examples)
		if c.want == nil {
			require.ErrorContains(t, err, "other rows")
			continue
		}
		require.NoError(t, err)
		require.Len(t, rows, len(c.want))
		for i, at := range c.want {
			require.Same(t, examples[at], rows[i].Example)
		}
	}
}

// TestStoredOutputs: an infinity in an output does not fail a run that is paid for.
func TestStoredOutputs(t *testing.T) {
	t.Parallel()
	good := python.NewObject("score", 0.5)
	outputs := storable([]*prompt.Object{
		good, nil, python.NewObject("score", math.Inf(1)), python.NewObject("scores", []any{math.NaN()}),
	})
	require.Equal(t, []*prompt.Object{good, nil, nil, nil}, outputs)
	_, err := json.Marshal(confirmation{OutsA: outputs})
	require.NoError(t, err)
}

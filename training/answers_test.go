package training_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

func TestReadAnswers(t *testing.T) {
	t.Parallel()
	got, err := training.ReadAnswers(strings.NewReader(`{"row": 0, "text": "red", "cut": false}` + "\n" + `{"row": 4, "text": "", "cut": true}` + "\n"))
	require.NoError(t, err)
	require.Equal(t, map[int]*training.Answer{0: {Row: 0, Text: "red"}, 4: {Row: 4, Cut: true}}, got)

	var many strings.Builder
	for i := range 101 {
		fmt.Fprintf(&many, "{\"row\":%d,\"text\":\"\",\"cut\":false}\n", i)
	}
	line := `{"row": 1, "text": "x", "cut": false}` + "\n"
	for name, text := range map[string]string{
		"not JSON": "red", "a row twice": line + line, "a negative row": `{"row": -1}`, "a name twice": `{"row": 1, "row": 2}`,
		"another type": `{"row": 1, "text": 2}`, "too many": many.String(), "a long line": `{"row": 1, "text": "` + strings.Repeat("x", 1<<17) + `"}`,
	} {
		_, err := training.ReadAnswers(strings.NewReader(text))
		var f *fault.Error
		require.ErrorAs(t, err, &f, name)
		require.Equal(t, fault.Input, f.Class, name)
	}
}

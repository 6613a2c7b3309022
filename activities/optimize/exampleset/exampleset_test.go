package exampleset_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/optimize/exampleset"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/tenant"
)

type folder string

func (f folder) Open(_ context.Context, _ tenant.ID, uri string) (*os.File, string, error) {
	file, err := os.Open(filepath.Join(string(f), uri))
	return file, uri, fault.Wrap(fault.Input, "open video", uri, err)
}

// TestExamples: an array, lines and a file give the same examples; an error names the example.
func TestExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := exampleset.Reader{Documents: folder(dir), Tenant: "acme"}
	const lines = `{"b": 1, "a": "x"}` + "\n\n" + `{"b": 2}` + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rows.jsonl"), []byte(lines), 0o600))
	for _, text := range []string{`[{"b": 1, "a": "x"}, {"b": 2}]`, lines, `{"uri": "rows.jsonl"}`} {
		rows, err := r.Examples(t.Context(), "trainset", json.RawMessage(text))
		require.NoError(t, err)
		require.Len(t, rows, 2)
		require.Equal(t, `{"b": 1, "a": "x"}`, python.Dumps(rows[0]))
	}
	rows, err := r.Examples(t.Context(), "trainset", json.RawMessage(" \n"))
	require.NoError(t, err)
	require.Empty(t, rows)
	for text, want := range map[string]string{
		`[{"a": 1}, 7]`:                     `"example 2"`,
		`[{"a": 1}, null]`:                  `"example 2": must be an object`,
		`[{"a": 1}, {}]`:                    `"example 2": must be an object`,
		`{"a": 1}` + "\n" + `{"a": 1`:       `"example 2"`,
		`{"a": 1}` + "\n" + `{"a":1,"a":2}`: `"example 2"`,
		`[{"a": 1}, {"a": 1e999}]`:          `"example 2": a number is out of range`,
		`[{"a": [{"b": -1e999}]}]`:          `"example 1": a number is out of range`,
		`{"uri": "missing.jsonl"}`:          "missing.jsonl",
	} {
		_, err := r.Examples(t.Context(), "valset", json.RawMessage(text))
		require.ErrorContains(t, err, want, text)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
	same, err := r.Text(t.Context(), "program", json.RawMessage(`{"uri": "x", "name": "p"}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"uri": "x", "name": "p"}`, string(same), "a value, not a reference")
}

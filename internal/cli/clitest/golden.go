package clitest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files") //nolint:gochecknoglobals // a flag of go test

// Golden compares got with a golden file in testdata.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// Malicious is a name with control sequences for terminals.
const Malicious = "a\x1b[2J\u202egpj\nb\x9b31m \xff.mp4"

// Printed returns the output of show.
func Printed(show func(a *cli.App)) string {
	var out bytes.Buffer
	show(&cli.App{Process: cli.Process{Out: &out, Err: &out}})
	return out.String()
}

// Strictly decodes JSON and rejects unknown fields, as the start of a workflow does. Input
// types defer such errors to the workflow in UnmarshalJSON, so tests decode into a type
// without this method.
func Strictly(t *testing.T, data []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(into))
}

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

// Golden compares with a file of testdata.
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

// Hostile is a name that would steer a terminal.
const Hostile = "a\x1b[2J\u202egpj\nb\x9b31m \xff.mp4"

// Printed returns what show prints.
func Printed(show func(a *cli.App)) string {
	var out bytes.Buffer
	show(&cli.App{Process: cli.Process{Out: &out, Err: &out}})
	return out.String()
}

// Strictly decodes like a start input does. The types of the inputs keep what is
// wrong for the workflow to say, so the fields are read through a type without
// their method.
func Strictly(t *testing.T, data []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(into))
}

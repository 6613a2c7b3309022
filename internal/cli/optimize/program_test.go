package optimize

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/prompt"
)

// TestProgramOfDSPy: --program accepts the files that DSPy saves and the files that are exported
// for DSPy, and errors name what is missing.
func TestProgramOfDSPy(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name string, text []byte) string {
		name = filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(name, text, 0o600))
		return name
	}
	signature := clitest.ProgramText("Route.")
	p, err := prompt.Read(signature)
	require.NoError(t, err)
	tuned := p.Copy()
	tuned.Predictors[0].Instructions = "Route well."
	program := write("program.json", tuned.File())
	names := write("router.yaml", []byte("name: agentic-router\npredictors:\n- name: route\n  inputs: [{name: query}]\n  outputs: [{name: agent}]\n"))
	var notes bytes.Buffer
	a := app{&cli.App{Process: cli.Process{Err: &notes}}}

	o := options{program: program, signature: names}
	read, err := a.readProgram(&o)
	require.NoError(t, err)
	require.Empty(t, notes.String())
	require.Equal(t, "agentic-router", read.Name)
	require.Equal(t, string(tuned.File()), string(read.File()))
	sent, err := prompt.Read(o.in.Program)
	require.NoError(t, err, "workers get a program file")
	require.Equal(t, read, sent)

	o = options{program: program}
	_, err = a.readProgram(&o)
	require.ErrorContains(t, err, "--name is required")
	o.in.Name = "router"
	read, err = a.readProgram(&o)
	require.NoError(t, err)
	require.Equal(t, "router", read.Name)
	require.Equal(t, string(tuned.File()), string(read.File()))
	require.Contains(t, notes.String(), "every field is text")

	for _, c := range []struct {
		o    options
		want string
	}{
		{options{program: write("source.json", signature), signature: names}, "--signature is for a program that DSPy saved"},
		{options{program: "s3://b/program.json", signature: names}, "--signature requires a local file"},
		{options{program: folder}, "save_program=True"},
		{options{program: write("program.pkl", []byte("\x80\x05"))}, "a pickle can run code"},
		{options{program: program, signature: filepath.Join(folder, "none")}, "read signature"},
		{options{program: program, signature: write("bad.yaml", []byte("name: x\nunknown: 1\n"))}, `unknown key "unknown"`},
	} {
		_, err := a.readProgram(&c.o)
		require.ErrorContains(t, err, c.want)
	}
}

package programs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/programs"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/prompt/diff"
)

// TestPrograms runs the commands against one server.
func TestPrograms(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Serve()
	b.Step("programs", testPrograms)
	b.Step("diff", testProgramsDiff)
	b.Step("export", testProgramsExport)
	b.Step("canary", testProgramsCanary)
}

func testPrograms(t *testing.T, b *clitest.Bench) {
	code, out, errors := b.Run("programs", "list", "agentic-router", "--json")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Len(t, clitest.Decode[registry.ProgramList](t, out).Programs, 2)
	_, out, _ = b.Run("programs", "list", "other")
	assert.Equal(t, "No programs.\n", out)
	code, out, errors = b.Run("programs", "show", "agentic-router@v4")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, out, "  Route the query to an agent.\n  Invoices are text.\n  demo 1\n    query: show me the keynote\n")
	code, _, errors = b.Run("programs", "show", "agentic-router@9")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "not found")

	_, out, _ = b.Run("programs", "promote", "agentic-router")
	assert.Equal(t, "agentic-router@4 is active.\n", out, "the latest")
	code, _, errors = b.Run("programs", "promote", "agentic-router@3")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "force promotes it")
	code, _, errors = b.Run("programs", "promote", "agentic-router@3", "--force")
	assert.Equal(t, cli.ExitDone, code, errors)
	code, _, errors = b.Run("programs", "promote", "nothing")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "not found")
	_, out, _ = b.Run("programs", "rollback", "agentic-router")
	assert.Equal(t, "agentic-router@2 is active.\n", out)
}

func testProgramsCanary(t *testing.T, b *clitest.Bench) {
	_, out, _ := b.Run("programs", "canary", "tried@v5", "--share", "10")
	assert.Equal(t, "tried@4 is active.\nCanary: tried@5, for 10 % of all keys.\n", out)
	for _, off := range []string{"--off", "--share=0"} {
		_, out, _ = b.Run("programs", "canary", "tried", off)
		assert.Equal(t, "tried@4 is active.\n", out)
	}
	version := func(args ...string) int {
		code, out, errors := b.Run(append([]string{"programs", "show", "tried", "--json"}, args...)...)
		assert.Equal(t, cli.ExitDone, code, errors)
		return clitest.Decode[registry.ProgramDetail](t, out).Version
	}
	assert.Equal(t, 4, version())
	assert.Equal(t, 4, version("--key", "session-1"))
	assert.Equal(t, 5, version("--key", "session-7"))

	store := b.Store()
	for name, text := range clitest.ProgramFiles() {
		_, err := store.Put(t.Context(), clitest.Program().Prefix+name, strings.NewReader(text))
		require.NoError(t, err)
	}
	to := filepath.Join(b.Dir, "tried")
	code, out, errors := b.Run("programs", "export", "tried", "--to", to, "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, 7, clitest.Decode[transfer.Downloaded](t, out).Files)
	for _, name := range programs.ExportedFiles() {
		assert.FileExists(t, filepath.Join(to, name))
		assert.FileExists(t, filepath.Join(to, "canary", name))
	}
	said, err := os.ReadFile(filepath.Join(to, programs.ServingFile))
	require.NoError(t, err)
	assert.JSONEq(t, `{"active":{"version":4,"promoted_at":"2026-01-02T03:04:05Z"},
		"canary":{"version":5,"promoted_at":"2026-01-03T03:04:05Z","traffic_pct":10},"retired":[]}`, string(said))
	code, out, errors = b.Run("programs", "export", "tried", "--to", to+"-one", "--key", "session-7", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, 5, clitest.Decode[transfer.Downloaded](t, out).Version)
	assert.Equal(t, 3, clitest.Decode[transfer.Downloaded](t, out).Files)
}

func testProgramsDiff(t *testing.T, b *clitest.Bench) {
	code, out, errors := b.Run("programs", "diff", "agentic-router@3", "@4")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, `agentic-router@3 (52.0 %) → agentic-router@4 (68.8 %)

route: 2 demos, before 2
  Route the query{+ to an agent.
  Invoices are text+}.
  - demo
      query: a demo that goes
      agent: text
  + demo
      query: sum up the talk
      agent: text
`, out)
	_, out, _ = b.Run("programs", "diff", "agentic-router@3", "@4", "--json")
	c := clitest.Decode[programs.Compared](t, out)
	assert.True(t, c.Changed)
	assert.Equal(t, diff.Part{Op: diff.Same, Text: "Route the query"}, c.Predictors[0].Instructions[0])
	_, out, _ = b.Run("programs", "diff", "agentic-router@4", "agentic-router@4")
	assert.Contains(t, out, "The same instructions and demos.")
}

func testProgramsExport(t *testing.T, b *clitest.Bench) {
	store := b.Store()
	for name, text := range clitest.ProgramFiles() {
		_, err := store.Put(t.Context(), clitest.Program().Prefix+name, strings.NewReader(text))
		require.NoError(t, err)
	}
	to := filepath.Join(b.Dir, "exported")
	code, out, errors := b.Run("programs", "export", "agentic-router", "--to", to, "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, 3, clitest.Decode[transfer.Downloaded](t, out).Files)
	for _, name := range programs.ExportedFiles() {
		data, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		assert.Equal(t, clitest.ProgramFiles()[name], string(data))
	}
	for name, want := range map[string]string{"wrong": "does not match the manifest", "less": "does not list program.json"} {
		code, _, errors := b.Run("programs", "export", name, "--to", to+name)
		assert.Equal(t, cli.ExitFailed, code)
		assert.Contains(t, errors, want)
		assert.NoDirExists(t, to+name)
	}
}

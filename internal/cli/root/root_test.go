package root

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"no such command": {"fly"},
		"no source":       {"ingest"},
		"no such flag":    {"status", "--fast"},
		"no such verb":    {"videos", "shw"},
		"bad tenant":      {"ingest", "x", "--tenant", "a/b"},
		"bad priority":    {"ingest", "x", "--priority", "9"},
		"name not UTF-8":  {"ingest", "\xff"},
		"bad kind":        {"list", "--kind", "x' OR 1=1"},
		"bad status":      {"list", "--status", "odd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errors clitest.Output
			code := Run(t.Context(), cli.Process{Args: args, Getenv: func(string) string { return "" }, In: strings.NewReader(""), Out: &out, Err: &errors})
			assert.Equal(t, cli.ExitUsage, code)
			assert.Empty(t, out.String())
			assert.Regexp(t, "(?s)Usage: cogflow.*See `cogflow.* --help`\\.", errors.String())
		})
	}
}

func TestUnreachableServer(t *testing.T) {
	t.Parallel()
	var out, errors clitest.Output
	code := Run(t.Context(), cli.Process{Args: []string{"status"}, Getenv: func(name string) string {
		return map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:1"}[name]
	}, In: strings.NewReader(""), Out: &out, Err: &errors})
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors.String(), "no Temporal server answers at 127.0.0.1:1")
	assert.Contains(t, errors.String(), "connection refused", "no time-out was waited for")
	assert.Contains(t, errors.String(), "make up")
}

// TestHelp: every command has a short and a long help and an example.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, cmd := range Command(&cli.App{}).Commands() {
		assert.NotEmpty(t, cmd.Short, cmd.Name())
		assert.NotEmpty(t, cmd.Long, cmd.Name())
		if cmd.HasSubCommands() {
			for _, sub := range cmd.Commands() {
				assert.NotEmpty(t, sub.Example, sub.CommandPath())
			}
			continue
		}
		assert.NotEmpty(t, cmd.Example, cmd.Name())
	}
}

// TestKinds: every job that can be started and controlled has a registered progress.
func TestKinds(t *testing.T) {
	t.Parallel()
	a := &cli.App{}
	Command(a)
	for name := range a.Kinds {
		_, ok := catalog.TypeOf(name)
		assert.True(t, ok, name)
	}
	for _, typ := range catalog.Types() {
		if kind := a.Kinds[typ.Name]; typ.Job && len(typ.Signals) > 0 {
			assert.NotNil(t, kind.Progress, typ.Name)
			assert.NotNil(t, kind.Result, typ.Name)
		}
	}
}

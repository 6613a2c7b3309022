package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/config"
	"github.com/cogniverse/cogflow/internal/cli/root"
)

func TestConfigCommands(t *testing.T) {
	t.Parallel()
	run := func(env map[string]string, args ...string) (int, string) {
		var out clitest.Output
		return root.Run(t.Context(), cli.Process{Args: args, Getenv: func(name string) string { return env[name] }, In: strings.NewReader(""), Out: &out, Err: &clitest.Output{}}), out.String()
	}
	code, out := run(nil, "config", "check")
	assert.Equal(t, cli.ExitDone, code)
	assert.Contains(t, out, "No problems.")

	wrong := filepath.Join(t.TempDir(), "c.json")
	require.NoError(t, os.WriteFile(wrong, []byte(`{"cogflow":{"stor":"x"}}`), 0o600))
	code, out = run(map[string]string{"COGNIVERSE_CONFIG": wrong}, "config", "check")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, out, `cogflow.stor: unknown key, did you mean "store"?`)

	code, out = run(map[string]string{"COGFLOW_STORE": "file:///srv/x"}, "config", "show", "--json")
	assert.Equal(t, cli.ExitDone, code)
	assert.Equal(t, "file:///srv/x", clitest.Decode[config.Shown](t, out).Store)

	code, out = run(nil, "config", "schema")
	assert.Equal(t, cli.ExitDone, code)
	assert.Contains(t, clitest.Decode[map[string]any](t, out), "properties")
}

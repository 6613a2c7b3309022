package root

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devstack"
)

// TestTarget: flags take precedence over variables, and these over the .cogflow of
// `make up`; a difference from .cogflow is reported.
func TestTarget(t *testing.T) {
	t.Parallel()
	up := t.TempDir()
	below := filepath.Join(up, "some", "folder")
	require.NoError(t, os.MkdirAll(below, 0o700))
	other := filepath.Join(up, "other.json")
	require.NoError(t, os.WriteFile(other, []byte(`{"cogflow": {"ledger": "/other/ledger.db"}}`), 0o600))
	_, err := devstack.Write(up, devstack.Stack{PID: 1, Environment: map[string]string{
		"TEMPORAL_ADDRESS": "127.0.0.1:1", "COGFLOW_STORE": "file:///up/store", "COGFLOW_LEDGER": "/up/ledger.db",
	}})
	require.NoError(t, err)
	run := func(env map[string]string, args ...string) (code int, out, notes string) {
		var o, e clitest.Output
		code = Run(t.Context(), cli.Process{
			Args: args, Dir: below, Getenv: func(name string) string { return env[name] }, In: strings.NewReader(""), Out: &o, Err: &e,
		})
		return code, o.String(), e.String()
	}
	show := func(env map[string]string, args ...string) (c config.Config, notes string) {
		code, out, notes := run(env, append([]string{"config", "show", "--json"}, args...)...)
		require.Equal(t, cli.ExitDone, code, notes)
		return clitest.Decode[config.Config](t, out), notes
	}

	c, notes := show(nil)
	require.Equal(t, "file:///up/store", c.Store)
	require.Empty(t, notes)

	c, notes = show(map[string]string{"COGFLOW_STORE": "file:///mine"})
	require.Equal(t, "file:///mine", c.Store)
	require.Equal(t, "/up/ledger.db", c.Ledger)
	require.Contains(t, notes, "COGFLOW_STORE differs from what the worker of "+up+" uses")

	c, notes = show(nil, "--config", other)
	require.Equal(t, "/other/ledger.db", c.Ledger)
	require.Contains(t, notes, config.EnvFile+" differs")
	c, _ = show(map[string]string{config.EnvFile: filepath.Join(up, "none.json")}, "--config", other)
	require.Equal(t, "/other/ledger.db", c.Ledger)

	c, notes = show(map[string]string{"TEMPORAL_ADDRESS": "elsewhere:7233"})
	require.NotEqual(t, "file:///up/store", c.Store, "another server has another store")
	require.Empty(t, notes)

	code, _, notes := run(nil, "status")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, notes, "it was started by `make up` in "+up+" and has ended")
	code, _, notes = run(nil, "status", "--address", "127.0.0.1:2")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, notes, "no Temporal server answers at 127.0.0.1:2")
}

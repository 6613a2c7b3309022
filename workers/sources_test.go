package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
)

// TestServerStateIsNoSource: files of the dev server are not sources, although the same folder
// contains sources, for example the clips of the demo.
func TestServerStateIsNoSource(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{devserver.StatePrefix(stateDir) + "-1.29.1.db", filepath.Join(stateDir, "demo", "a.mp4")} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	s, err := source.New(program.Sources(config.Config{
		Ledger: filepath.Join(stateDir, "ledger.db"), Index: filepath.Join(stateDir, "index.db"), Scratch: filepath.Join(stateDir, "tmp"),
	}, true, t.TempDir(), nil))
	require.NoError(t, err)
	_, _, err = s.Open(t.Context(), tenant.Default, devserver.StatePrefix(stateDir)+"-1.29.1.db")
	require.ErrorContains(t, err, "cogflow's own")
	f, _, err := s.Open(t.Context(), tenant.Default, filepath.Join(stateDir, "demo", "a.mp4"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestKeysAreForOthers: a gateway with keys has callers besides the worker's own user, also on
// loopback, behind a proxy. They read no local files unless cogflow.sources says so.
func TestKeysAreForOthers(t *testing.T) {
	t.Parallel()
	open, keyed := frontdoor.Listener{Address: "127.0.0.1:1", Tenant: "acme"}, frontdoor.Listener{Address: "127.0.0.1:2"}
	for want, listeners := range map[bool]map[string]frontdoor.Listener{true: {"open": open}, false: {"open": open, "keyed": keyed}} {
		c := config.Config{Gateway: frontdoor.Section{Listeners: listeners}.Complete()}
		require.Equal(t, want, program.Sources(c, true, t.TempDir(), nil).AnyLocal)
	}
}

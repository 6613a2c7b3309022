package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devstack"
)

// TestStackFile: the command line uses the server, the store and the configuration of a stack
// if its working directory is below the folder of that stack.
func TestStackFile(t *testing.T) { //nolint:paralleltest // changes the working directory
	root := t.TempDir()
	below := filepath.Join(root, "below")
	require.NoError(t, os.Mkdir(below, 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(root, "configs"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, config.DefaultFile), []byte(`{"cogflow": {"ledger": "paid.db"}}`), 0o600))
	t.Chdir(root)
	environment := map[string]string{"COGFLOW_FETCH_MAX_BYTES": "1000", "VLM_KEY": "secret"}
	getenv := func(name string) string { return environment[name] }
	c, err := config.Load(getenv)
	require.NoError(t, err)
	c.Logs = filepath.Join(root, devstack.Dir, "logs")
	remove, err := writeStackFile(c, getenv, "127.0.0.1:1234", "http://127.0.0.1:1235")
	require.NoError(t, err)

	t.Chdir(below)
	found, ok, err := devstack.Find(".")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "127.0.0.1:1234", found.Environment["TEMPORAL_ADDRESS"])
	require.NotContains(t, found.Environment, "VLM_KEY")
	same, err := config.Load(found.Getenv(func(string) string { return "" }))
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1235", same.UI)
	same.UI = c.UI
	same.File = c.File
	require.Equal(t, c, same)
	t.Chdir(root)
	require.NoError(t, remove())
}

// TestStackFileHasNoPassword: the file names the ledger, and another program finds its
// password as the worker does.
func TestStackFileHasNoPassword(t *testing.T) { //nolint:paralleltest // changes the working directory
	t.Chdir(t.TempDir())
	getenv := func(name string) string {
		return map[string]string{"COGFLOW_LEDGER": "postgres://me:topsecret@db/cogflow"}[name]
	}
	c, err := config.Load(getenv)
	require.NoError(t, err)
	_, err = writeStackFile(c, getenv, "127.0.0.1:1234", "")
	require.NoError(t, err)
	found, ok, err := devstack.Find(".")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "postgres://me@db/cogflow", found.Environment["COGFLOW_LEDGER"])
}

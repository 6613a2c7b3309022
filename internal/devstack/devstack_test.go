package devstack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	require.NoError(t, os.MkdirAll(below, 0o700))
	_, ok, err := Find(below)
	require.NoError(t, err)
	require.False(t, ok)

	one := Stack{PID: 1, Environment: map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:1", "COGFLOW_STORE": "file:///one"}}
	removeOne, err := Write(root, one)
	require.NoError(t, err)
	found, ok, err := Find(below)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, one.Environment, found.Environment)
	require.Equal(t, root, found.Root)

	env := map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:9", "HOME": "/home/me"}
	getenv := found.Getenv(func(name string) string { return env[name] })
	require.Equal(t, "127.0.0.1:9", getenv("TEMPORAL_ADDRESS"))
	require.Equal(t, "file:///one", getenv("COGFLOW_STORE"))
	require.Equal(t, "/home/me", getenv("HOME"))
	require.Equal(t, []string{"TEMPORAL_ADDRESS"}, found.Differs(func(name string) string { return env[name] }))

	removeTwo, err := Write(root, Stack{PID: 2})
	require.NoError(t, err)
	require.NoError(t, removeOne(), "it is replaced, and stays")
	found, ok, err = Find(root)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 2, found.PID)
	require.NoError(t, removeTwo())
	_, ok, err = Find(root)
	require.NoError(t, err)
	require.False(t, ok)
	left, err := os.ReadDir(filepath.Join(root, Dir))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestForeignNotes: notes of other users are skipped, damaged notes are reported.
func TestForeignNotes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path := filepath.Join(root, Dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.Symlink("/etc/hostname", path))
	_, ok, err := Find(root)
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, []byte(`{"pid":`), 0o600))
	_, _, err = Find(root)
	require.ErrorContains(t, err, "read stack")
}

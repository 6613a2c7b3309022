package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// TestPrivatePathsAreNotShown: a child sees no directory that contains a private path,
// under any name. A program in such a directory is visible without the directory.
func TestPrivatePathsAreNotShown(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(home, link))
	tools := filepath.Join(home, "tools")
	require.NoError(t, os.Mkdir(tools, 0o700))
	store := filepath.Join(home, "state", "store")
	require.NoError(t, os.MkdirAll(store, 0o700))
	program, beside := filepath.Join(home, "program"), filepath.Join(tools, "program")
	for _, file := range []string{program, beside} {
		require.NoError(t, os.WriteFile(file, nil, 0o700)) //nolint:gosec // a program
	}
	s := &Sandbox{private: []string{home, store}}
	for _, path := range []string{home, filepath.Dir(home), link, link + "/", store, filepath.Dir(store), "/", "/tmp/.."} {
		_, err := s.visible(Command{Path: beside, Read: []string{tools, path}})
		require.Equal(t, fault.Input, fault.ClassOf(err), path)
	}
	shown, err := s.visible(Command{Path: beside, Read: []string{filepath.Join(store, "one")}})
	require.NoError(t, err)
	require.Equal(t, []string{tools, filepath.Join(store, "one")}, shown)
	shown, err = s.visible(Command{Path: program})
	require.NoError(t, err)
	require.Equal(t, []string{program}, shown)
}

func TestInstallation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	python := filepath.Join(bin, "python")
	require.Equal(t, bin, Installation(python), "a user's own bin directory")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "lib", "python3.11"), 0o700))
	require.Equal(t, dir, Installation(python))
	require.Equal(t, "/opt/tool", Installation("/opt/tool/program"))
}

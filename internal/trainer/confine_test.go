package trainer

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
)

// TestConfined: the trainer has no network, can read only its model, data and checkpoint, and
// can write only below its work folder. The model's files may be links, as in a cache.
func TestConfined(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dir := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		return path
	}
	write("secret")
	blob := write("cache/blobs/1")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "cache/snapshots/7"), 0o700))
	require.NoError(t, os.Symlink("../../blobs/1", filepath.Join(dir, "cache/snapshots/7/weights")))
	j := job(t, "confined")
	j.WorkDir = filepath.Join(dir, "work")
	j.Model.Path = filepath.Join(dir, "cache/snapshots/7")
	j.Train.Path = write("data/train.jsonl")
	j.Start = &training.StartFile{Path: write("data/start.safetensors")}
	j.Resume = filepath.Dir(write("kept/checkpoint/state"))
	j.Seed, j.MicroBatch = int64(listener.Addr().(*net.TCPAddr).Port), os.Getpid()
	require.NoError(t, os.Mkdir(j.WorkDir, 0o700))
	var got map[string]string
	require.NoError(t, runner(t, Options{}).Run(t.Context(), j, "", nil, nil, func(e training.Event) error {
		if e.Event == training.EventDevice {
			got = e.Versions
		}
		return nil
	}))
	require.Equal(t, map[string]string{
		"connect": "refused", "udp": "refused", "read beside": "refused", "passwd": "refused", "parent": "refused",
		"write model": "refused", "write dataset": "refused", "write usr": "refused",
		"read model": "worked", "read dataset": "worked", "read start": "worked", "read checkpoint": "worked", "write work": "worked", "write tmp": "worked",
		"descriptors": "0,1,2,3",
	}, got)
	require.FileExists(t, filepath.Join(j.WorkDir, "made"))
	require.NoFileExists(t, "/tmp/made")
	require.FileExists(t, blob)
}

// TestInterpreter follows a virtual environment link by link.
func TestInterpreter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{"venv/bin", "pythons/3.11.7/bin", "pythons/3.11.7/lib/python3.11"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, path), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "venv/pyvenv.cfg"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pythons/3.11.7/bin/python3.11"), nil, 0o700))
	require.NoError(t, os.Symlink("3.11.7", filepath.Join(dir, "pythons/3.11")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "pythons/3.11/bin/python3.11"), filepath.Join(dir, "venv/bin/python")))
	require.Equal(t, []string{
		filepath.Join(dir, "venv"), filepath.Join(dir, "pythons/3.11"), filepath.Join(dir, "pythons/3.11.7"),
	}, interpreter(filepath.Join(dir, "venv/bin/python")))
	require.Empty(t, interpreter("/usr/bin/python3"))
}

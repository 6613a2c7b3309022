package scratch

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScratch(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	otherData := filepath.Join(root, "other.txt")
	require.NoError(t, os.WriteFile(otherData, nil, 0o600))
	// Directories of two dead workers: the first died right after it had made its directory, the
	// second died later.
	require.NoError(t, os.Mkdir(filepath.Join(root, "worker-1-1"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "worker-2-2", "extract-1"), 0o700))

	var workers [8]*Dir
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			var err error
			if workers[i], err = Open(root, func(_, _ string, err error) error { return err }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	left, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, left, len(workers)+1, "only the directories of live workers are left")
	for _, w := range workers {
		require.DirExists(t, w.Path)
		require.NoError(t, w.Close())
		require.NoDirExists(t, w.Path)
	}
	require.FileExists(t, otherData)
}

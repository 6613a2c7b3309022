package lease

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnflock: a lock is free at once, although a process that is being started still has its
// descriptor.
func TestUnflock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := os.Create(path)
	require.NoError(t, err)
	ok, err := flock(first, syscall.LOCK_EX)
	require.NoError(t, err)
	require.True(t, ok)
	inherited, err := syscall.Dup(int(first.Fd()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Close(inherited)) })
	unflock(first)
	second, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, second.Close()) })
	ok, err = flock(second, syscall.LOCK_EX)
	require.NoError(t, err)
	require.True(t, ok)
}

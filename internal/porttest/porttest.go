// Package porttest chooses ports for servers of tests that cannot choose one themselves. It starts none.
package porttest

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The ports are below those that the kernel gives to others, so that none of them takes one before
// its server does.
const from, ports = 20000, 12000

var last atomic.Int32 //nolint:gochecknoglobals // parallel tests get different ports

// Free returns a free port of 127.0.0.1 that no other test gets until this one ends, whatever the
// package: the process holds a lock for it.
func Free(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "cogflow-test-ports")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for range ports {
		port := strconv.Itoa(from + (os.Getpid()*50+int(last.Add(1)))%ports)
		lock, err := os.OpenFile(filepath.Join(dir, port), os.O_CREATE|os.O_RDWR, 0o600)
		require.NoError(t, err)
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			if l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+port); err == nil {
				t.Cleanup(func() { require.NoError(t, lock.Close()) })
				require.NoError(t, l.Close())
				return port
			}
		}
		require.NoError(t, lock.Close())
	}
	require.Fail(t, "no port is free")
	return ""
}

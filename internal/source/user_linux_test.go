package source_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/tenant"
)

// asOrdinaryUser lets the calling test reach files as an ordinary user would:
// root can read every file. Only this thread changes, and only for file access.
func asOrdinaryUser(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	require.NoError(t, unix.Setfsuid(65534))
	t.Cleanup(func() { require.NoError(t, unix.Setfsuid(0)) })
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), anyLocal(t)
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // the testing package keeps it to its own user
	write(t, dir, "secret.mp4", "closed/x.mp4", "open.mp4")
	require.NoError(t, os.Chmod(filepath.Join(dir, "secret.mp4"), 0))
	require.NoError(t, os.Chmod(filepath.Join(dir, "closed"), 0))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "closed"), 0o700) })
	asOrdinaryUser(t)

	for _, name := range []string{"secret.mp4", "closed/x.mp4"} {
		_, _, err := s.Open(t.Context(), tenant.Default, filepath.Join(dir, name))
		refused(t, err, name, "no permission", "let the user of the worker")
	}
	_, err := s.List(t.Context(), tenant.Default, filepath.Join(dir, "closed"), false, func(string) error { return nil })
	refused(t, err, "closed", "no permission")
	names, _ := list(t, s, dir, dir, true)
	require.Equal(t, []string{"!closed", "open.mp4", "!secret.mp4"}, names)
}

package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
)

// TestFetchToFullDisk: a full scratch disk is a fault that waits, a forbidden directory is not.
func TestFetchToFullDisk(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	_, err := k.a.Store.Put(t.Context(), "a/x", strings.NewReader(strings.Repeat("x", 1<<16)))
	require.NoError(t, err)
	dir := t.TempDir()
	to := filepath.Join(dir, "full")
	require.NoError(t, os.Symlink("/dev/full", to+".part"))
	err = activities.FetchObject(t.Context(), k.a.Store, "a/x", to)
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
	require.NoFileExists(t, to)

	blocked := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	err = activities.FetchObject(t.Context(), k.a.Store, "a/x", filepath.Join(blocked, "x"))
	require.Equal(t, fault.Input, fault.ClassOf(err), "waiting does not fix the path: %v", err)

	require.NoError(t, activities.FetchObject(t.Context(), k.a.Store, "a/x", filepath.Join(dir, "x")))
}

package blob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
)

// TestGone: a store whose directory was removed does not say that objects do not exist. A caller would
// make them again.
func TestGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	_, err := s.Stat(t.Context(), "a/b")
	require.ErrorIs(t, err, object.ErrNotFound)
	require.NoError(t, os.RemoveAll(dir))
	_, stat := s.Stat(t.Context(), "a/b")
	_, _, get := s.Get(t.Context(), "a/b")
	list := s.List(t.Context(), "a/", func(object.Info) error { return nil })
	_, create := s.Create(t.Context(), "a/b", strings.NewReader("x"))
	for name, err := range map[string]error{"stat": stat, "get": get, "list": list, "create": create} {
		require.Equal(t, fault.Capacity, fault.ClassOf(err), "%s: %v", name, err)
		require.NotErrorIs(t, err, object.ErrNotFound)
		require.ErrorContains(t, err, "mount the disk")
	}
}

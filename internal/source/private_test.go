package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
)

// TestOwnFilesAreNoSource: the store and the databases hold the data of all tenants, so nobody
// reads them by path, whatever the roots allow.
func TestOwnFilesAreNoSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "clips/a.mp4", "store/b/x.mp4", "ledger.db", "ledger.db-wal", "storefront/c.mp4")
	require.NoError(t, os.Symlink(filepath.Join(dir, "store"), filepath.Join(dir, "clips", "link")))
	own := []string{filepath.Join(dir, "store"), filepath.Join(dir, "ledger.db")}
	for name, c := range map[string]source.Config{
		"a root above": {Private: own, Roots: map[tenant.ID][]string{tenant.Default: {dir}}},
		"any path":     {Private: own, AnyLocal: true},
	} {
		s, err := source.New(c)
		require.NoError(t, err, name)
		for _, path := range []string{"store/b/x.mp4", "clips/link/b/x.mp4", "ledger.db", "ledger.db-wal"} {
			_, _, err := s.Open(t.Context(), tenant.Default, filepath.Join(dir, path))
			require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %s: %v", name, path, err)
			require.ErrorContains(t, err, "cogflow's own", path)
		}
		for _, path := range []string{"clips/a.mp4", "storefront/c.mp4"} {
			f, _, err := s.Open(t.Context(), tenant.Default, filepath.Join(dir, path))
			require.NoError(t, err, path)
			require.NoError(t, f.Close())
		}
		_, err = s.List(t.Context(), tenant.Default, filepath.Join(dir, "store"), true, func(string) error { return nil })
		require.ErrorContains(t, err, "cogflow's own")
	}
	for _, root := range []string{"store", "store/b", "clips/link"} {
		_, err := source.New(source.Config{Private: own, Roots: map[tenant.ID][]string{tenant.Default: {filepath.Join(dir, root)}}})
		require.ErrorContains(t, err, "cogflow's own", root)
	}
}

// TestOwnBucketIsNoSource: the same for a store in S3.
func TestOwnBucketIsNoSource(t *testing.T) {
	t.Parallel()
	c := source.Config{
		PrivateS3: "s3://bucket/cogflow?endpoint=http://127.0.0.1:1/", S3Query: "endpoint=http://127.0.0.1:1",
		Roots: map[tenant.ID][]string{tenant.Default: {"s3://bucket"}},
	}
	s, err := source.New(c)
	require.NoError(t, err)
	_, _, err = s.Open(t.Context(), tenant.Default, "s3://bucket/cogflow/b/x.mp4")
	require.ErrorContains(t, err, "cogflow's own")
	c.Roots[tenant.Default] = []string{"s3://bucket/cogflow/b"}
	_, err = source.New(c)
	require.ErrorContains(t, err, "cogflow's own")
}

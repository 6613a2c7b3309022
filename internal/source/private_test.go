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

// TestOwnFilesAreNoSource: the store and the databases hold the data of all tenants, so they
// cannot be read by path, whatever the roots allow.
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

// TestServerStateIsNoSource: the files of a Temporal server are refused too, with any suffix,
// under another name for the same file, and below a directory with the same prefix.
func TestServerStateIsNoSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "state/temporal-1.29.1.db", "state/temporal-1.29.1.db-wal", "state/temporal.log", "state/temporal/default.db", "state/demo/a.mp4")
	require.NoError(t, os.Symlink(filepath.Join(dir, "state"), filepath.Join(dir, "link")))
	require.NoError(t, os.Link(filepath.Join(dir, "state/temporal-1.29.1.db"), filepath.Join(dir, "copy.db")))
	s, err := source.New(source.Config{AnyLocal: true, PrivatePrefixes: []string{filepath.Join(dir, "link", "temporal")}})
	require.NoError(t, err)
	for _, path := range []string{
		"state/temporal-1.29.1.db", "state/temporal-1.29.1.db-wal", "state/temporal.log", "state/temporal/default.db",
		"link/temporal-1.29.1.db", "copy.db",
	} {
		_, _, err := s.Open(t.Context(), tenant.Default, filepath.Join(dir, path))
		require.ErrorContains(t, err, "cogflow's own", path)
	}
	f, _, err := s.Open(t.Context(), tenant.Default, filepath.Join(dir, "state/demo/a.mp4"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestOwnBucketIsNoSource: the bucket of the store is refused by every name of its server and
// by every form of its URL.
func TestOwnBucketIsNoSource(t *testing.T) {
	t.Parallel()
	self, err := os.Hostname()
	require.NoError(t, err)
	local, minio, amazon := "endpoint=http://127.0.0.1:9000", "endpoint=https://minio.example.org", "region=eu-west-1"
	for _, c := range []struct{ store, sources, uri string }{
		{local + "/", local, "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://localhost:9000/", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://LOCALHOST.:9000", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://[::1]:9000", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://[::ffff:127.0.0.1]:9000", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://127.1:9000", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://0x7f000001:09000", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://127.8.8.8:9000", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://0.0.0.0:9000", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://s3.localhost:9000", "s3://bucket/cogflow/b/x.mp4"},
		{local, "endpoint=http://" + self + ":9000", "s3://bucket/cogflow/b/x.mp4"},
		{local, local, "s3://bucket//cogflow//b/x.mp4"},
		{local, local, "S3://bucket/cogflow"},
		{local, local, "https://localhost:9000/bucket/cogflow/b/x.mp4"},
		{local, local, "https://bucket.localhost:9000/cogflow/b/x.mp4"},
		{minio, "endpoint=https://Minio.Example.org.:443", "s3://bucket/cogflow/b/x.mp4"},
		{minio, "endpoint=http://minio.example.org:80", "s3://bucket/cogflow/b/x.mp4"},
		{minio, amazon, "https://minio.example.org/bucket/cogflow/b/x.mp4"},
		{minio, amazon, "https://MINIO.example.org.:443//bucket//cogflow/b/x.mp4?X-Amz-Signature=1"},
		{minio, amazon, "https://bucket.minio.example.org/cogflow/b/x.mp4"},
		{minio, amazon, "https://bucket.minio.example.org:443/cogflow/b/x.mp4"},
		{minio, amazon, "https://minio\u3002example.org/bucket/cogflow/b/x.mp4"},
		{amazon, "endpoint=https://s3.eu-west-1.amazonaws.com", "s3://bucket/cogflow/b/x.mp4"},
		{amazon, "region=us-east-1", "s3://bucket/cogflow/b/x.mp4"},
		{amazon, minio, "https://bucket.s3.eu-west-1.amazonaws.com/cogflow/b/x.mp4"},
		{amazon, minio, "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/cogflow/b/x.mp4"},
		{amazon, minio, "https://bucket.s3-accelerate.amazonaws.com/cogflow/b/x.mp4"},
		{amazon, minio, "https://s3.amazonaws.com/bucket/cogflow/b/x.mp4"},
		{amazon, minio, "https://s3-eu-west-1.amazonaws.com:443/bucket/cogflow/b/x.mp4"},
	} {
		s, err := source.New(source.Config{AnyLocal: true, PrivateS3: "s3://bucket/cogflow?" + c.store, S3Query: c.sources})
		require.NoError(t, err)
		_, _, err = s.Open(t.Context(), tenant.Default, c.uri)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v: %v", c, err)
		require.ErrorContains(t, err, "cogflow's own", "%v", c)
		_, err = source.New(source.Config{
			PrivateS3: "s3://bucket/cogflow?" + c.store, S3Query: c.sources, Roots: map[tenant.ID][]string{tenant.Default: {c.uri}},
		})
		require.ErrorContains(t, err, "cogflow's own", "%v", c)
	}
}

// TestOwnBucketByVariable: the server may be set by an environment variable of the AWS SDK.
func TestOwnBucketByVariable(t *testing.T) {
	for _, variable := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(variable, "http://localhost:9000")
		for store, sources := range map[string]string{"endpoint=http://127.0.0.1:9000": "region=eu-west-1", "region=eu-west-1": "endpoint=http://[::1]:9000"} {
			s, err := source.New(source.Config{AnyLocal: true, PrivateS3: "s3://bucket/cogflow?" + store, S3Query: sources})
			require.NoError(t, err)
			_, _, err = s.Open(t.Context(), tenant.Default, "s3://bucket/cogflow/b/x.mp4")
			require.ErrorContains(t, err, "cogflow's own", variable)
		}
		t.Setenv(variable, "")
	}
}

// TestOtherBucketsAreSources: other buckets and other servers are not refused.
func TestOtherBucketsAreSources(t *testing.T) {
	t.Parallel()
	local, minio := "endpoint=http://127.0.0.1:9000", "endpoint=https://minio.example.org"
	for _, c := range []struct{ store, sources, uri string }{
		{local, local, "s3://bucket/cogflows/x.mp4"},
		{local, local, "s3://bucket/clips/cogflow/x.mp4"},
		{local, local, "s3://other/cogflow/x.mp4"},
		{local, "endpoint=http://127.0.0.1:9001", "s3://bucket/cogflow/x.mp4"},
		{local, minio, "s3://bucket/cogflow/x.mp4"},
		{minio, "region=eu-west-1", "s3://bucket/cogflow/x.mp4"},
		{minio, local, "https://minio.example.org/other/cogflow/x.mp4"},
		{minio, local, "https://example.org/bucket/cogflow/x.mp4"},
		{minio, local, "https://other.minio.example.org/cogflow/x.mp4"},
		{"region=eu-west-1", local, "https://videos.s3.amazonaws.com/bucket/cogflow/x.mp4"},
	} {
		_, err := source.New(source.Config{
			PrivateS3: "s3://bucket/cogflow?" + c.store, S3Query: c.sources, Roots: map[tenant.ID][]string{tenant.Default: {c.uri}},
		})
		require.NoError(t, err, "%v", c)
	}
}

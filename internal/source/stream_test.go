package source_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
)

// TestStream: any offset can be read, of a file, an object and a page, and only of what the tenant
// may read. The version is the one that Version tells.
func TestStream(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 200_000) // several windows
	at := s3test.Serve(t)
	fill(t, at, map[string]string{"in/v.mp4": text, "other/v.mp4": text})
	bucket, how := query(t, at)
	dir := t.TempDir()
	file := filepath.Join(dir, "v.mp4")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	local, err := source.New(source.Config{Roots: map[tenant.ID][]string{"acme": {dir, "s3://" + bucket + "/in"}}, S3Query: how, Scratch: t.TempDir()})
	require.NoError(t, err)
	page, url, scratch := web(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}, func(c *source.Config) { c.MaxBytes = 1 << 30 })

	for uri, s := range map[string]*source.Sources{file: local, "s3://" + bucket + "/in/v.mp4": local, url + "/v.mp4": page} {
		one, err := s.Stream(t.Context(), "acme", uri)
		require.NoError(t, err, uri)
		v, name, err := s.Version(t.Context(), "acme", uri)
		require.NoError(t, err)
		require.Equal(t, v, one.Version)
		require.Equal(t, name, one.Name)
		for _, offset := range []int64{1_048_570, 0, 3_199_990, 1_500_000} {
			_, err := one.Seek(offset, io.SeekStart)
			require.NoError(t, err)
			got := make([]byte, 10)
			_, err = io.ReadFull(one, got)
			require.NoError(t, err, uri)
			require.Equal(t, text[offset:offset+10], string(got), uri)
		}
		end, err := one.Seek(-4, io.SeekEnd)
		require.NoError(t, err)
		require.EqualValues(t, len(text)-4, end)
		rest, err := io.ReadAll(one)
		require.NoError(t, err)
		require.Equal(t, "cdef", string(rest))
		require.NoError(t, one.Close())
	}
	empty(t, scratch) // nothing was downloaded
	for _, uri := range []string{"s3://" + bucket + "/other/v.mp4", filepath.Join(t.TempDir(), "v.mp4"), "/etc/passwd"} {
		_, err := local.Stream(t.Context(), "acme", uri)
		refused(t, err, "outside")
	}
	_, err = local.Stream(t.Context(), "evil", file)
	refused(t, err, "no existing directory")
}

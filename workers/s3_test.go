package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestS3 ingests from one prefix of a real S3 server into another prefix. A worker is killed
// meanwhile. The next run reuses the stored results.
func TestS3(t *testing.T) { //nolint:paralleltest // sets the environment that the SDK reads
	store := s3test.Serve(t)
	library, err := url.Parse(store)
	require.NoError(t, err)
	library.Path = "/library"
	opened, err := blob.Open(t.Context(), library.String())
	require.NoError(t, err)
	for _, name := range []string{"small-0.mp4", "small-1.mp4"} {
		file, err := os.Open(filepath.Join(small(t, 2, 20), name))
		require.NoError(t, err)
		_, err = opened.Put(t.Context(), "clips/"+name, file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	proxy, through := s3test.NewProxy(t, store)
	var downloads atomic.Int64
	proxy.Set(func(_ http.ResponseWriter, r *http.Request, _ func(func(*http.Response))) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/library/clips/") && strings.HasSuffix(r.URL.Path, ".mp4") {
			downloads.Add(1)
		}
		return false
	})
	s := newSmallStack(t, nil)
	own, err := url.Parse(through)
	require.NoError(t, err)
	own.Path = "/store" // outside of the source, because sources must not contain the store
	s.env = append(s.env, "COGFLOW_STORE="+own.String())
	w := s.worker(nil)
	in := ingest.LibraryInput{Source: "s3://" + library.Host + "/library/clips/"}
	job := s.begin("library", in)
	require.Eventually(t, func() bool { return s.calls() > 10 }, soon, 20*time.Millisecond)
	w.kill()
	s.worker(nil)
	out := job.wait(t)
	require.Empty(t, out.Failures)
	require.Equal(t, 2, out.Indexed)
	require.Equal(t, 40, out.Documents)
	require.Len(t, s.visible(), 40)

	again, err := execute[ingest.LibraryResult](s, "again", "IngestLibrary", in)
	require.NoError(t, err)
	require.Equal(t, 2, again.Unchanged)
	before := downloads.Load()
	in.Force = true
	forced, err := execute[ingest.LibraryResult](s, "forced", "IngestLibrary", in)
	require.NoError(t, err)
	require.Equal(t, 2, forced.Indexed)
	require.EqualValues(t, 2, downloads.Load()-before, "each video is downloaded once to be inspected and decoded")
	hits := search(s, "on screen grey").Hits
	require.NotEmpty(t, hits)
	require.True(t, strings.HasPrefix(hits[0].URI, in.Source))
	require.NotEqual(t, video.ID(""), hits[0].Video)
}

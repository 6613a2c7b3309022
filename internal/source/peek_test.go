package source_test

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/ffmpeg"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/video"
)

// maxPeeked is the maximum number of bytes that Peek reads of a remote video.
const maxPeeked = 3 << 20

// videos makes large videos of several containers. The index of the MP4 is at neither end.
func videos(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	noise := func(name string, args ...string) string {
		all := append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=4,noise=alls=100:allf=t"}, args...)
		file := filepath.Join(dir, name)
		out, err := exec.CommandContext(t.Context(), "ffmpeg", append(all, file)...).CombinedOutput() //nolint:gosec // arguments of the test
		require.NoError(t, err, string(out))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Greater(t, info.Size(), int64(2*maxPeeked), name)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(data)
	}
	mjpeg := []string{"-c:v", "mjpeg", "-q:v", "1"}
	mp4 := noise("v.mp4", mjpeg...)
	at := strings.LastIndex(mp4, "moov") - 4
	require.Greater(t, at, len(mp4)/2)
	return map[string]string{
		"v.mp4": mp4[:at] + free(8<<20) + mp4[at:] + free(8<<20),
		"v.mkv": noise("v.mkv", mjpeg...),
		"v.avi": noise("v.avi", mjpeg...),
		"v.ts":  noise("v.ts", "-c:v", "mpeg2video", "-q:v", "1"),
	}
}

// free is an MP4 box that parsers skip.
func free(size int) string {
	box := make([]byte, size)
	binary.BigEndian.PutUint32(box, uint32(size))
	copy(box[4:], "free")
	return string(box)
}

func prober(t *testing.T) *ffmpeg.Tool {
	t.Helper()
	box, err := sandbox.New(t.Context(), sandbox.Config{})
	require.NoError(t, err)
	tool, err := ffmpeg.New(t.Context(), ffmpeg.Config{Sandbox: box})
	require.NoError(t, err)
	return tool
}

// TestPeek: a probe after Peek gives the same result as a probe of the whole file, from a web
// server and from S3, although only a small part was read.
func TestPeek(t *testing.T) {
	all := videos(t)
	var sent atomic.Int64
	server := func(w http.ResponseWriter, r *http.Request) {
		text, found := all[filepath.Base(r.URL.Path)]
		if !found {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"a"`)
		http.ServeContent(counted{w, &sent}, r, "", time.Time{}, strings.NewReader(text))
	}
	overWeb, at, scratch := web(t, server, func(c *source.Config) { c.MaxBytes = 1 << 30 })

	proxy, bucketURL := s3test.NewProxy(t, s3test.Serve(t))
	fill(t, bucketURL, all)
	bucket, how := query(t, bucketURL)
	overS3, err := source.New(source.Config{AnyLocal: true, Scratch: scratch, S3Query: how})
	require.NoError(t, err)
	proxy.Set(func(_ http.ResponseWriter, _ *http.Request, next func(func(*http.Response))) bool {
		next(func(r *http.Response) { r.Body = &countedBody{r.Body, &sent} })
		return true
	})

	tool := prober(t)
	for place, s := range map[string]*source.Sources{at: overWeb, "s3://" + bucket: overS3} {
		for name, text := range all {
			uri := place + "/" + name
			sent.Store(0)
			v, shown, err := s.Version(t.Context(), "acme", uri)
			require.NoError(t, err)
			require.Equal(t, name, shown)
			require.EqualValues(t, len(text), v.Bytes)
			require.NotEmpty(t, v.Tag)
			require.LessOrEqual(t, sent.Load(), int64(1), "%s: a version costs nothing", uri)
			peeked, whole, err := s.Peek(t.Context(), "acme", uri, v)
			require.NoError(t, err)
			require.False(t, whole)
			media, err := tool.Probe(t.Context(), peeked)
			require.NoError(t, err, uri)
			require.NoError(t, peeked.Close())
			require.Less(t, sent.Load(), int64(maxPeeked), uri)
			empty(t, scratch)

			file, _, err := s.Open(t.Context(), "acme", uri)
			require.NoError(t, err)
			want, err := tool.Probe(t.Context(), file)
			require.NoError(t, err)
			require.NoError(t, file.Close())
			require.Equal(t, want, media, uri)
		}
	}
}

type counted struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.sent.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}

type countedBody struct {
	io.ReadCloser
	sent *atomic.Int64
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sent.Add(int64(n))
	return n, err
}

// TestPeekOddServers: servers that do not support range requests, or respond wrongly.
func TestPeekOddServers(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 8<<20)
	changes := 0
	for name, c := range map[string]struct {
		serve   http.HandlerFunc
		bytes   int64
		whole   bool
		content string // of the start
		class   fault.Class
	}{
		"small": {serve: func(w http.ResponseWriter, r *http.Request) { serve(w, r, "video") }, bytes: 5, whole: true, content: "video"},
		"large": {serve: func(w http.ResponseWriter, r *http.Request) { serve(w, r, large) }, bytes: 8 << 20, content: "xxx"},
		"no parts": {serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "8388608")
			_, _ = io.WriteString(w, large)
		}, bytes: 8 << 20, content: "xxx"},
		"no size": {serve: func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "video")
		}, bytes: -1, whole: true, content: "video"},
		"no size, long": {serve: func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, large)
		}, bytes: -1, content: "xxx"},
		"changing": {serve: func(w http.ResponseWriter, r *http.Request) {
			changes++
			w.Header().Set("ETag", `"`+strings.Repeat("a", changes)+`"`)
			serve(w, r, large)
		}, bytes: 8 << 20, class: fault.Transport},
		"too large": {serve: func(w http.ResponseWriter, r *http.Request) { serve(w, r, large+large) }, class: fault.Input},
		"absent":    {serve: http.NotFound, class: fault.Input},
		"overload":  {serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, class: fault.Overload},
	} {
		s, at, scratch := web(t, c.serve, func(c *source.Config) { c.MaxBytes = 10 << 20 })
		v, _, err := s.Version(t.Context(), "acme", at+"/v.mp4")
		if err == nil {
			require.Equal(t, c.bytes, v.Bytes, name)
			var f *os.File
			var whole bool
			if f, whole, err = s.Peek(t.Context(), "acme", at+"/v.mp4", v); err == nil {
				require.Equal(t, c.whole, whole, name)
				start := make([]byte, len(c.content))
				_, err := io.ReadFull(f, start)
				require.NoError(t, err)
				require.Equal(t, c.content, string(start), name)
				require.NoError(t, f.Close())
			}
		}
		require.Equal(t, c.class, fault.ClassOf(err), "%s: %v", name, err)
		empty(t, scratch)
	}
}

func serve(w http.ResponseWriter, r *http.Request, text string) {
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
}

// TestVersionOfFile: a file with other content, or written again, has another version.
func TestVersionOfFile(t *testing.T) {
	t.Parallel()
	s, err := source.New(source.Config{AnyLocal: true})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "v.mp4")
	version := func(text string, at time.Time) video.FileVersion {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.NoError(t, os.Chtimes(file, at, at))
		v, name, err := s.Version(context.Background(), "acme", file)
		require.NoError(t, err)
		require.Equal(t, "v.mp4", name)
		return v
	}
	now := time.Now()
	first := version("one", now)
	require.Equal(t, first, version("one", now))
	require.NotEqual(t, first, version("one", now.Add(time.Microsecond)))
	require.NotEqual(t, first, version("three", now))
	f, whole, err := s.Peek(t.Context(), "acme", file, first)
	require.NoError(t, err)
	require.True(t, whole)
	require.NoError(t, f.Close())
	_, _, err = s.Version(t.Context(), "acme", filepath.Dir(file))
	require.Equal(t, fault.Input, fault.ClassOf(err))
}

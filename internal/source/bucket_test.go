package source_test

import (
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
)

// fill puts objects into a bucket.
func fill(t *testing.T, at string, keys map[string]string) {
	t.Helper()
	s, err := blob.Open(t.Context(), at)
	require.NoError(t, err)
	for key, text := range keys {
		_, err := s.Put(t.Context(), key, strings.NewReader(text))
		require.NoError(t, err)
	}
}

func query(t *testing.T, at string) (bucket, query string) {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	return u.Host, u.RawQuery
}

func TestS3(t *testing.T) {
	at := s3test.Serve(t)
	fill(t, at, map[string]string{
		"in/b.mp4": "b", "in/a ü%.MKV": "a", "in/notes.md": "", "in/.hidden.mp4": "", "in/sub/c.webm": "c",
		"in/.trash/d.mp4": "", "in/list.txt": "# two\nb.mp4\nsub/c.webm\nhttps://example.org/v.mp4\n",
		"in/bad.txt": "/etc/passwd\n", "inside.mp4": "x", "other/o.mp4": "o",
	})
	bucket, how := query(t, at)
	base, scratch := "s3://"+bucket+"/", t.TempDir()
	s, err := source.New(source.Config{
		Roots:   map[tenant.ID][]string{"acme": {"/nowhere", base + "in"}, "all": {base}},
		S3Query: how, Scratch: scratch, MaxBytes: 3 << 20,
	})
	require.NoError(t, err)

	for _, src := range []string{base + "in/", base + "in"} {
		got, skipped := uris(t, s, src, false)
		require.Equal(t, []string{base + "in/a%20%C3%BC%25.MKV", base + "in/b.mp4"}, got)
		require.Equal(t, 4, skipped) // the notes, the hidden one and the manifests
	}
	got, _ := uris(t, s, base+"in/", true)
	require.Equal(t, []string{base + "in/a%20%C3%BC%25.MKV", base + "in/b.mp4", base + "in/sub/c.webm"}, got)
	got, _ = uris(t, s, base+"in/list.txt", true)
	require.Equal(t, []string{base + "in/b.mp4", base + "in/sub/c.webm", "https://example.org/v.mp4"}, got)
	got, _ = uris(t, s, base+"in/b.mp4", false)
	require.Equal(t, []string{base + "in/b.mp4"}, got)

	text, name := content(t, s, "acme", base+"in/a%20%C3%BC%25.MKV", scratch)
	require.Equal(t, "a", text)
	require.Equal(t, "a ü%.MKV", name)
	for id, src := range map[tenant.ID]string{"acme": base + "other/o.mp4", "stranger": base + "in/b.mp4"} {
		_, _, err = s.Open(t.Context(), id, src)
		refused(t, err, "outside", string(id), "cogflow.sources")
		_, err = s.List(t.Context(), id, src, false, func(string) error { return nil })
		refused(t, err, "outside")
	}
	for _, src := range []string{base + "inside.mp4", "s3://elsewhere/in/b.mp4", "https://example.org/in/b.mp4", base} {
		_, _, err = s.Open(t.Context(), "acme", src)
		refused(t, err, "outside")
	}
	for src, want := range map[string]string{base + "in/bad.txt": "local files", base + "none/": "no object found", base + "none": "no object found"} {
		_, err = s.List(t.Context(), "all", src, false, func(string) error { return nil })
		refused(t, err, want)
	}
	_, _, err = s.Open(t.Context(), "all", base+"none.mp4")
	refused(t, err, "object not found")
	_, _, err = s.Open(t.Context(), "all", base+"in/")
	refused(t, err, "prefix")
	fill(t, at, map[string]string{"large.mp4": strings.Repeat("x", 3<<20+1)})
	_, _, err = s.Open(t.Context(), "all", base+"large.mp4")
	refused(t, err, "larger than")
	empty(t, scratch)
}

// TestS3Breaks reads one video whose connection breaks once, and one whose connection always breaks.
func TestS3Breaks(t *testing.T) {
	at := s3test.Serve(t)
	want := strings.Repeat("video ", 100<<10)
	fill(t, at, map[string]string{"v.mp4": want})
	proxy, at := s3test.NewProxy(t, at)
	bucket, how := query(t, at)
	s, err := source.New(source.Config{AnyLocal: true, S3Query: how, Scratch: t.TempDir()})
	require.NoError(t, err)
	var left atomic.Int32
	left.Store(1)
	proxy.Set(func(_ http.ResponseWriter, _ *http.Request, next func(func(*http.Response))) bool {
		if left.Add(-1) < 0 {
			return false
		}
		next(func(r *http.Response) { r.Body = s3test.CutAfter(r.Body, 1000) })
		return true
	})
	f, _, err := s.Open(t.Context(), tenant.Default, "s3://"+bucket+"/v.mp4")
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.True(t, want == string(data))
	require.NoError(t, f.Close())
	left.Store(math.MaxInt32)
	_, _, err = s.Open(t.Context(), tenant.Default, "s3://"+bucket+"/v.mp4")
	require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
}

package source_test

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/fetch"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// uris lists for tenant acme.
func uris(t *testing.T, s *source.Sources, src string, recursive bool) (got []string, skipped int) {
	t.Helper()
	skipped, err := s.List(t.Context(), "acme", src, recursive, func(uri string) error {
		got = append(got, uri)
		return nil
	})
	require.NoError(t, err)
	return got, skipped
}

// content opens and reads a video, and requires that no file is left in the scratch directory.
func content(t *testing.T, s *source.Sources, id tenant.ID, uri, scratch string) (text, name string) {
	t.Helper()
	f, name, err := s.Open(t.Context(), id, uri)
	require.NoError(t, err)
	empty(t, scratch)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(data), name
}

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// web serves h as the host video.example.
func web(t *testing.T, h http.HandlerFunc, change func(*source.Config)) (s *source.Sources, at, scratch string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	host := net.JoinHostPort("video.example", u.Port())
	scratch = t.TempDir()
	c := source.Config{AnyLocal: true, Scratch: scratch, Fetch: fetch.Options{
		AllowHTTP: true, Allowed: []string{host},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
	}}
	at = "http://" + host
	if c.MaxBytes = 1 << 20; change != nil {
		change(&c)
	}
	for id, roots := range c.Roots {
		for i := range roots {
			c.Roots[id][i] = strings.ReplaceAll(roots[i], "HOST", at)
		}
	}
	s, err = source.New(c)
	require.NoError(t, err)
	return s, at, scratch
}

func TestWeb(t *testing.T) {
	t.Parallel()
	s, at, scratch := web(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/in/list.txt":
			_, _ = io.WriteString(w, "a%20b.mp4\nsub/c.mp4\ns3://bucket/k.mp4\n")
		case "/in/local.txt":
			_, _ = io.WriteString(w, "file:///etc/passwd\n")
		case "/in/large.mp4":
			_, _ = w.Write(make([]byte, 1<<20+1))
		case "/in/moved.mp4":
			http.Redirect(w, r, "/in/b.mp4", http.StatusFound)
		case "/in/out.mp4":
			http.Redirect(w, r, "/other/secret.mp4", http.StatusFound)
		case "/in/denied.mp4":
			http.Error(w, "", http.StatusForbidden)
		case "/in/none.mp4":
			http.NotFound(w, r)
		default:
			_, _ = io.WriteString(w, "of "+r.URL.Path+r.URL.RawQuery)
		}
	}, func(c *source.Config) { c.Roots = map[tenant.ID][]string{"acme": {"HOST/in/"}} })
	text, name := content(t, s, "acme", at+"/in/a%20b.mp4?token=1", scratch)
	require.Equal(t, "of /in/a b.mp4token=1", text)
	require.Equal(t, "a b.mp4", name)
	text, _ = content(t, s, "acme", at+"/in/moved.mp4", scratch)
	require.Equal(t, "of /in/b.mp4", text)
	got, _ := uris(t, s, at+"/in/list.txt", false)
	require.Equal(t, []string{at + "/in/a%20b.mp4", at + "/in/sub/c.mp4", "s3://bucket/k.mp4"}, got)
	got, _ = uris(t, s, at+"/in/v.mp4?x=1", false)
	require.Equal(t, []string{at + "/in/v.mp4?x=1"}, got)

	for path, want := range map[string]string{
		"/other/secret.mp4": "outside", "/in/out.mp4": "outside", "/inside.mp4": "outside", "/in/../other/x.mp4": `".."`,
		"/in/%2e%2e/other/x.mp4": `".."`, "/in/large.mp4": "larger", "/in/none.mp4": "404",
	} {
		_, _, err := s.Open(t.Context(), "acme", at+path)
		refused(t, err, want)
	}
	_, err := s.List(t.Context(), "acme", at+"/in/local.txt", false, func(string) error { return nil })
	refused(t, err, "local files", "local.txt:1")
	_, _, err = s.Open(t.Context(), "acme", at+"/in/denied.mp4?canary")
	require.Equal(t, fault.Auth, fault.ClassOf(err))
	require.NotContains(t, err.Error(), "canary")
	empty(t, scratch)
}

// TestKept: a video that was downloaded to be inspected is not downloaded again to be
// decoded. A tenant never gets the download of another tenant, or an older content.
func TestKept(t *testing.T) {
	t.Parallel()
	var downloads atomic.Int64
	s, at, scratch := web(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strconv.FormatInt(downloads.Add(1), 10))
	}, func(c *source.Config) { c.Roots = map[tenant.ID][]string{"acme": {"HOST/"}, "other": {"HOST/"}} })
	uri := at + "/v.mp4"
	keep := func() {
		f, _, err := s.Open(t.Context(), "acme", uri)
		require.NoError(t, err)
		_, err = io.ReadAll(f)
		require.NoError(t, err)
		s.Keep("acme", uri, "first", f)
		require.NoError(t, f.Close())
		empty(t, scratch)
	}
	reopen := func(id tenant.ID, uri string, v video.ID) string {
		f, name, err := s.Reopen(t.Context(), id, uri, v)
		require.NoError(t, err)
		require.Equal(t, "v.mp4", name)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		return string(data)
	}
	keep()
	require.Equal(t, "2", reopen("acme", uri, "second"), "another content")
	require.Equal(t, "3", reopen("other", uri, "first"), "another tenant")
	require.Equal(t, "4", reopen("acme", uri+"?x", "first"), "another address")
	require.Equal(t, "1", reopen("acme", uri, "first"))
	require.Equal(t, "5", reopen("acme", uri, "first"), "once")
	_, _, err := s.Reopen(t.Context(), "stranger", uri, "first")
	refused(t, err, "outside")
}

// TestWebBreaks breaks the first response after half of its body. The second request resumes
// there if the server supports ranges and the video has not changed.
func TestWebBreaks(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("video ", 50<<10)
	for name, c := range map[string]struct {
		etag  string
		later string // the ETag of the second response
		from  string // the range of the second request
		cuts  int32
	}{
		"resumes":      {`"a"`, `"a"`, "bytes=", 1},
		"changed":      {`"a"`, `"b"`, "bytes=", 1},
		"weak":         {`W/"a"`, `W/"a"`, "", 1},
		"none":         {"", "", "", 1},
		"breaks again": {`"a"`, `"a"`, "bytes=", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			s, at, scratch := web(t, func(w http.ResponseWriter, r *http.Request) {
				turn, etag := n.Add(1), c.etag
				if turn > 1 {
					etag = c.later
					if !strings.HasPrefix(r.Header.Get("Range"), c.from) || c.from == "" && r.Header.Get("Range") != "" {
						t.Errorf("range %q", r.Header.Get("Range"))
					}
				}
				if etag != "" {
					w.Header().Set("ETag", etag)
				}
				if turn <= c.cuts {
					w = &half{ResponseWriter: w, left: len(want) / 4}
				}
				http.ServeContent(w, r, "", time.Time{}, strings.NewReader(want))
			}, nil)
			f, _, err := s.Open(t.Context(), tenant.Default, at+"/v.mp4")
			empty(t, scratch)
			if c.cuts > 1 {
				require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
				return
			}
			require.NoError(t, err)
			data, err := io.ReadAll(f)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			require.True(t, want == string(data), "%d bytes", len(data))
		})
	}
}

// half closes the connection after some bytes.
type half struct {
	http.ResponseWriter
	left int
}

func (h *half) Write(p []byte) (int, error) {
	if h.left -= len(p); h.left < 0 {
		_ = http.NewResponseController(h.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return h.ResponseWriter.Write(p)
}

// TestNoRoom offers a video that no disk can hold.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	s, at, scratch := web(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4611686018427387904") // 4 EiB
	}, func(c *source.Config) { c.MaxBytes = math.MaxInt64 })
	_, _, err := s.Open(t.Context(), tenant.Default, at+"/v.mp4")
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "4.0 EiB")
	require.ErrorContains(t, err, scratch)
	empty(t, scratch)
}

func TestRemoteRequiresPermission(t *testing.T) {
	t.Parallel()
	s, err := source.New(source.Config{})
	require.NoError(t, err)
	for _, uri := range []string{"https://example.org/v.mp4", "s3://bucket/v.mp4"} {
		_, _, err = s.Open(t.Context(), tenant.Default, uri)
		refused(t, err, "cogflow.sources")
	}
	s = anyLocal(t)
	_, _, err = s.Open(t.Context(), tenant.Default, "https://127.0.0.1/v.mp4")
	refused(t, err, "public internet")
	_, _, err = s.Open(t.Context(), tenant.Default, "http://example.org/v.mp4")
	refused(t, err, "https://")
	for _, root := range []string{"gs://bucket", "s3://Bucket", "s3://bucket/../x", "https://u@host"} {
		_, err = source.New(source.Config{Roots: map[tenant.ID][]string{"a": {root}}})
		require.Equal(t, fault.Input, fault.ClassOf(err), root)
	}
	_, err = source.New(source.Config{S3Query: "secret=x"})
	refused(t, err, "unknown parameter")
}

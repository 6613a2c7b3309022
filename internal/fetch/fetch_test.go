package fetch_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/fetch"
)

// start serves h under the name video.example, the only one that may be private.
func start(t *testing.T, h http.HandlerFunc, change func(*fetch.Options)) (*fetch.Client, string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	host := net.JoinHostPort("video.example", u.Port())
	o := fetch.Options{
		AllowHTTP: true, Allowed: []string{host}, MaxBytes: 1 << 20,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
	}
	if change != nil {
		change(&o)
	}
	return fetch.New(o), "http://" + host
}

func get(t *testing.T, c *fetch.Client, u string) (string, error) {
	t.Helper()
	var b bytes.Buffer
	_, err := c.Get(t.Context(), u, &b)
	return b.String(), err
}

func TestGet(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	c, at := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/v.mp4", http.StatusFound)
			return
		}
		w.Header().Set("ETag", `"x"`)
		_, _ = io.WriteString(w, "video")
	}, nil)
	var b bytes.Buffer
	info, err := c.Get(t.Context(), at+"/moved?secret=1", &b)
	require.NoError(t, err)
	require.Equal(t, "video", b.String())
	require.Equal(t, int64(5), info.Size)
	require.Equal(t, `"x"`, info.ETag)
	require.Equal(t, at+"/v.mp4", info.URL)
}

func TestRefusesAddresses(t *testing.T) {
	t.Parallel()
	var answers atomic.Value
	var calls atomic.Int32
	c := fetch.New(fetch.Options{AllowHTTP: true, Lookup: func(context.Context, string) ([]netip.Addr, error) {
		calls.Add(1)
		return []netip.Addr{answers.Load().(netip.Addr)}, nil
	}})
	for _, a := range []string{
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200", "169.254.169.254", "0.0.0.0",
		"224.0.0.1", "255.255.255.255", "168.63.129.16", "198.18.0.1", "::1", "::", "fd00:ec2::254", "fe80::1", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "::127.0.0.1", "fec0::1",
	} {
		answers.Store(netip.MustParseAddr(a))
		_, err := get(t, c, "https://flipping.example/v.mp4") // whatever the name was before
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", a, err)
		require.ErrorContains(t, err, "not on the public internet", a)
		host := a
		if strings.Contains(a, ":") {
			host = "[" + a + "]"
		}
		_, err = get(t, c, "http://"+host+"/v.mp4")
		require.ErrorContains(t, err, "not on the public internet", a)
	}
	require.Positive(t, calls.Load())
}

func TestRefusesURLs(t *testing.T) {
	t.Parallel()
	strict := fetch.New(fetch.Options{})
	for u, want := range map[string]string{
		"http://a.example/":          "must begin with https",
		"ftp://a.example/":           "must begin with https",
		"file:///etc/passwd":         "must begin with https",
		"https://user:pw@a.example/": "user name",
		"https://2130706433/":        "usual form",
		"https://0x7f000001/":        "usual form",
		"https://0177.0.0.1/":        "usual form",
		"https://127.1/":             "usual form",
		"https://a.example:22/":      "usual port",
		"https://[fe80::1%25eth0]/":  "must be https://host",
		"https:///x":                 "must be https://host",
		"https://a.example/%zz":      "not a URL",
	} {
		_, err := get(t, strict, u)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", u, err)
		require.ErrorContains(t, err, want, u)
		require.NotContains(t, err.Error(), "pw")
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/again":                    "more than 5 redirects",
		"http://169.254.169.254/x":  "not on the public internet",
		"http://other.example/":     "not on the public internet",
		"http://user@other.example": "user name",
		"file:///etc/passwd":        "must begin with https",
	} {
		c, at := start(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", target)
			w.WriteHeader(http.StatusFound)
		}, nil)
		_, err := get(t, c, at+"/again?secret=1")
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", target, err)
		require.ErrorContains(t, err, want, target)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		class fault.Class
		want  string
		serve http.HandlerFunc
	}{
		"declared": {fault.Input, "larger", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "2000000") }},
		"endless": {fault.Input, "larger", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(make([]byte, 64<<10))
			}
		}},
		"cut": {fault.Transport, "unexpected EOF", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		"compressed": {fault.Input, "compressed", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "gzip") }},
		"slow": {fault.Transport, "too slowly", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
		"gone":      {fault.Input, "404", http.NotFound},
		"forbidden": {fault.Auth, "403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }},
		"broken":    {fault.Transport, "502", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, at := start(t, c.serve, func(o *fetch.Options) {
				if name == "slow" {
					o.Stall = 200 * time.Millisecond
				}
			})
			_, err := get(t, client, at)
			require.Equal(t, c.class, fault.ClassOf(err), err)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestBusyAndCancelled(t *testing.T) {
	t.Parallel()
	c, at := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	}, nil)
	_, err := get(t, c, at)
	require.Equal(t, fault.Overload, fault.ClassOf(err))
	require.Equal(t, 7*time.Second, fault.RetryAfter(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Get(ctx, at, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
}

// TestDo asks for the rest of a body, which the server sends as long as it is
// the same, and asks for leave at each redirect.
func TestDo(t *testing.T) {
	t.Parallel()
	c, at := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/v.mp4", http.StatusFound)
			return
		}
		w.Header().Set("ETag", `"a"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	}, func(o *fetch.Options) { o.MaxBytes = 10 })
	body, err := get(t, c, at+"/v.mp4")
	require.NoError(t, err)
	require.Equal(t, "0123456789", body)
	for etag, want := range map[string]string{`"a"`: "6789", `"b"`: "0123456789", `W/"a"`: "0123456789", "": "0123456789"} {
		var b bytes.Buffer
		var from, size int64
		info, err := c.Do(t.Context(), fetch.Request{
			URL: at + "/moved", Offset: 6, ETag: etag,
			Begin: func(offset, whole int64) error { from, size = offset, whole; return nil },
		}, &b)
		require.NoError(t, err)
		require.Equal(t, want, b.String())
		require.Equal(t, int64(10-len(want)), from)
		require.Equal(t, int64(10), size)
		require.Equal(t, int64(10), info.Size)
	}
	no := fault.New(fault.Input, "test", "", "no")
	for _, ask := range []fetch.Request{
		{URL: at + "/moved", Permit: func(u *url.URL) error {
			if u.Path == "/v.mp4" {
				return no
			}
			return nil
		}},
		{URL: at + "/v.mp4", Begin: func(int64, int64) error { return no }},
	} {
		var b bytes.Buffer
		_, err := c.Do(t.Context(), ask, &b)
		require.ErrorIs(t, err, no)
		require.Empty(t, b.String())
	}
}

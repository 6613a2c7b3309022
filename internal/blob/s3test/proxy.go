package s3test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proxy stands before a server and does to requests what networks and
// overloaded servers do. Without a fault it changes nothing.
type Proxy struct {
	mu    sync.Mutex
	fault Fault
	hits  int
}

// Fault answers a request in place of the server, or returns false. next passes
// the request on; then change, if any, may replace the answer's body.
type Fault func(w http.ResponseWriter, r *http.Request, next func(change func(*http.Response))) bool

// NewProxy returns a proxy before the server of a URL as Start returns it, and
// the URL of the proxy.
func NewProxy(tb testing.TB, at string) (*Proxy, string) {
	tb.Helper()
	u, err := url.Parse(at)
	require.NoError(tb, err)
	query := u.Query()
	backend, err := url.Parse(query.Get("endpoint"))
	require.NoError(tb, err)
	p := &Proxy{}
	server := httptest.NewServer(p.handler(backend))
	tb.Cleanup(server.Close)
	query.Set("endpoint", server.URL)
	u.RawQuery = query.Encode()
	return p, u.String()
}

// Set sets the fault of the requests to come; nil = none.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.hits = f, 0
}

// Hits returns how many requests since Set the fault was applied to.
func (p *Proxy) Hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

// apply reports whether the fault answered; one that cuts the connection panics.
func (p *Proxy) apply(w http.ResponseWriter, r *http.Request, next func(func(*http.Response))) bool {
	p.mu.Lock()
	fault := p.fault
	if fault != nil {
		p.hits++ // before the client has its answer
	}
	p.mu.Unlock()
	if fault == nil {
		return false
	}
	answered := fault(w, r, next)
	if !answered {
		p.mu.Lock()
		p.hits--
		p.mu.Unlock()
	}
	return answered
}

func (p *Proxy) handler(backend *url.URL) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := func(change func(*http.Response)) {
			proxy := &httputil.ReverseProxy{
				Rewrite: func(r *httputil.ProxyRequest) {
					r.SetURL(backend)
					r.Out.Host = r.In.Host // it is signed
				},
				ModifyResponse: func(r *http.Response) error {
					if change != nil {
						change(r)
					}
					return nil
				},
				ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
				ErrorLog:     log.New(io.Discard, "", 0), // the faults are meant
			}
			proxy.ServeHTTP(w, r)
		}
		if !p.apply(w, r, next) {
			next(nil)
		}
	})
}

// Cut ends the connection.
func Cut() { panic(http.ErrAbortHandler) }

// Lose passes the request on and ends the connection in place of the answer.
func Lose(next func(func(*http.Response))) {
	next(func(*http.Response) { Cut() })
}

// CutAfter returns a body that breaks after n bytes.
func CutAfter(body io.ReadCloser, n int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, n), broken{}), body}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("cut") }

// Flip returns a body whose byte at offset n is another one.
func Flip(body io.ReadCloser, n int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{&flipping{body, n}, body}
}

type flipping struct {
	r    io.Reader
	left int64
}

func (f *flipping) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.left >= 0 && f.left < int64(n) {
		p[f.left] ^= 1
	}
	f.left -= int64(n)
	return n, err
}

// Refuse answers as S3 does.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "7")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<?xml version=\"1.0\"?><Error><Code>"+code+"</Code><Message>a fault of the test</Message></Error>")
}

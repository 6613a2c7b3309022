package door_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/door"
)

// pipes is a listener whose connections are in memory, so that a bubble of synctest has their time.
type pipes struct {
	accept chan net.Conn
	done   chan struct{}
	close  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// dial opens a connection. Nothing is buffered: a write waits until the server has read it.
func (p *pipes) dial(t *testing.T) net.Conn {
	ours, theirs := net.Pipe()
	p.accept <- theirs
	t.Cleanup(func() { _ = ours.Close() })
	return ours
}

// overPipes opens a door over pipes, within a bubble.
func overPipes(t *testing.T, routes ...api.Route) (*pipes, *log) {
	t.Helper()
	p, out := &pipes{accept: make(chan net.Conn), done: make(chan struct{})}, &log{}
	routes = append(routes, api.Route{Method: "POST", Path: "/echo", Name: "echo", Handle: func(w http.ResponseWriter, r *http.Request, _ api.Caller) error {
		data, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}})
	d := door.New(door.Options{
		Config: frontdoor.Section{Address: here}.Complete(), Log: slog.New(slog.NewJSONHandler(out, nil)), Routes: routes,
		Listen: func(context.Context, string) (net.Listener, error) { return p, nil },
	})
	require.NoError(t, d.Listen(t.Context(), func(err error) { t.Error(err) }))
	t.Cleanup(func() { require.NoError(t, d.Shutdown(0)) })
	return p, out
}

// logged is the lines of the log with a status.
func (l *log) logged(t *testing.T, status int) (n int) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var one struct{ Status int }
		require.NoError(t, json.Unmarshal([]byte(line), &one))
		if one.Status == status {
			n++
		}
	}
	return n
}

// h2 is a client of HTTP/2 that can do what no client does.
type h2 struct {
	net.Conn
	*http2.Framer
	t    *testing.T
	next uint32
}

func (p *pipes) h2(t *testing.T) *h2 {
	t.Helper()
	c := &h2{Conn: p.dial(t), t: t, next: 1}
	c.Framer = http2.NewFramer(c.Conn, c.Conn)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return c
}

// greet begins the connection.
func (c *h2) greet() {
	_, err := io.WriteString(c.Conn, http2.ClientPreface)
	require.NoError(c.t, err)
	require.NoError(c.t, c.WriteSettings())
}

// block is the compressed headers of a request.
func block(method, path string, more ...string) []byte {
	var out bytes.Buffer
	e := hpack.NewEncoder(&out)
	for _, f := range [][2]string{{":method", method}, {":scheme", "http"}, {":authority", "localhost"}, {":path", path}} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // to memory
	}
	for i := 0; i < len(more); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: more[i], Value: more[i+1]})
	}
	return out.Bytes()
}

// request sends the headers of a request, and returns its stream.
func (c *h2) request(end bool, method, path string, more ...string) (stream uint32, err error) {
	stream = c.next
	c.next += 2
	return stream, c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block(method, path, more...), EndHeaders: true, EndStream: end})
}

// drain reads what the server sends until the connection ends; seen gets each frame.
func (c *h2) drain(seen func(http2.Frame)) {
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		if seen != nil {
			seen(f)
		}
	}
}

package s3

import (
	"context"
	"net"
	"net/http"
	"time"
)

// bound gives every connection of a transport a deadline that moves with each
// byte. Without it a body on a half-open connection waits for TCP, which gives
// up after a quarter of an hour: the transport's own deadlines begin with the
// end of the request.
func bound(t *http.Transport, stall, answer time.Duration) {
	t.ResponseHeaderTimeout = answer
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &moving{c, stall, answer + stall}, nil
	}
}

// moving is a connection on which each read and write has a deadline of its own.
type moving struct {
	net.Conn
	write, read time.Duration
}

// Write implements net.Conn.
func (m *moving) Write(p []byte) (int, error) {
	if err := m.SetWriteDeadline(time.Now().Add(m.write)); err != nil {
		return 0, err
	}
	return m.Conn.Write(p)
}

// Read implements net.Conn. The head of an answer may take longer than a stall;
// a body that stalls earlier is noticed by Reader. An idle connection is closed.
func (m *moving) Read(p []byte) (int, error) {
	if err := m.SetReadDeadline(time.Now().Add(m.read)); err != nil {
		return 0, err
	}
	return m.Conn.Read(p)
}

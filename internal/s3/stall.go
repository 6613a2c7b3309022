package s3

import (
	"context"
	"net"
	"net/http"
	"time"
)

// setDeadlines gives every connection of a transport a deadline that each byte extends.
// Without it, a request body on a half-open connection waits until TCP gives up, which
// takes 15 minutes: the transport's own timeouts start only after the request was sent.
func setDeadlines(t *http.Transport, stall, answer time.Duration) {
	t.ResponseHeaderTimeout = answer
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &deadlineConn{c, stall, answer + stall}, nil
	}
}

// deadlineConn is a connection on which each read and write has its own deadline.
type deadlineConn struct {
	net.Conn
	write, read time.Duration
}

// Write implements net.Conn.
func (m *deadlineConn) Write(p []byte) (int, error) {
	if err := m.SetWriteDeadline(time.Now().Add(m.write)); err != nil {
		return 0, err
	}
	return m.Conn.Write(p)
}

// Read implements net.Conn. The response headers may take longer than a stall;
// a body that stalls earlier is noticed by Reader. An idle connection is closed.
func (m *deadlineConn) Read(p []byte) (int, error) {
	if err := m.SetReadDeadline(time.Now().Add(m.read)); err != nil {
		return 0, err
	}
	return m.Conn.Read(p)
}

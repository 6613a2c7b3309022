package answertest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/porttest"
)

// Site is the address of a server that a test can stop and restart. The zero value does not
// serve yet.
type Site struct {
	URL string

	tb      testing.TB
	handler http.Handler
	server  *httptest.Server // nil while it is stopped
}

// Serve serves h until the test ends, and does not wait for open connections.
func (s *Site) Serve(tb testing.TB, h http.Handler) {
	tb.Helper()
	s.tb, s.handler, s.URL = tb, h, "http://127.0.0.1:"+porttest.Free(tb)
	s.Start()
	tb.Cleanup(func() {
		if s.server != nil {
			s.Stop()
		}
	})
}

// Stop closes the port and breaks every connection.
func (s *Site) Stop() {
	_ = s.server.Listener.Close() // first, so that no client reconnects
	s.server.CloseClientConnections()
	s.server.Close()
	s.server = nil
}

// Start serves again, at the same address. No client of another test has the port meanwhile: see porttest.
func (s *Site) Start() {
	s.tb.Helper()
	var listener net.Listener
	require.Eventually(s.tb, func() (ok bool) { // another process may have the port for a moment
		var err error
		listener, err = (&net.ListenConfig{}).Listen(s.tb.Context(), "tcp", s.Address())
		return err == nil
	}, time.Minute, 20*time.Millisecond, "%s is taken", s.URL)
	s.server = httptest.NewUnstartedServer(s.handler)
	_ = s.server.Listener.Close() // its default listener
	s.server.Listener = listener
	s.server.Start()
}

// Address is the host and port.
func (s *Site) Address() string { return s.URL[len("http://"):] }

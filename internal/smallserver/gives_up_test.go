package smallserver

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGivesUp: a server that never starts is given up with the reason, and its socket is closed, so
// that requests end. Another program may take the address at once and answer them.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	s, err := Start(Options{Folder: empty, Log: filepath.Join(empty, "small.log")})
	require.NoError(t, err)
	<-s.Done()
	_, err = s.listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/models", nil)
	require.NoError(t, err)
	if response, err := http.DefaultClient.Do(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		require.NoError(t, response.Body.Close())
	}
	require.ErrorContains(t, s.Stop(), "make small")
}

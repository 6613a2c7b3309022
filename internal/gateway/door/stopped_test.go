package door_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// TestStoppedBody: a client that does not send the rest of its body does not delay the end of the
// gateway, and is told.
func TestStoppedBody(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here}, nil)
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.Addresses()["main"])
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprint(c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
	require.NoError(t, err)
	from := bufio.NewReader(c)
	line, err := from.ReadString('\n') // the handler reads
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
	_, err = from.ReadString('\n')
	require.NoError(t, err)
	// A gateway that waits until the connection is broken fails here, without a bound of the test: nothing but the end
	// of Shutdown breaks it, which is an error.
	require.NoError(t, h.Shutdown(0), "it does not wait until the connection is broken")
	got, err := http.ReadResponse(from, nil)
	require.NoError(t, err)
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	require.Equal(t, api.CodeDraining, failure(t, string(body)).Error.Code)
}

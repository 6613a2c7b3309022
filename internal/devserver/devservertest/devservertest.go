// Package devservertest starts Temporal servers for tests, and connects to them.
package devservertest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/devserver"
)

// Start starts a server for one test. bin is the folder with the program that `make tools` installs.
func Start(tb testing.TB, bin string) *devserver.Kept {
	tb.Helper()
	binary, err := devserver.Find(bin)
	require.NoError(tb, err)
	s, err := devserver.Keep(tb.Context(), devserver.Options{Binary: binary, Dir: filepath.Join(tb.TempDir(), "temporal"), Headless: true})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Stop()) })
	return s
}

// Dial connects to a server, for which it waits a minute: the five seconds of the SDK are too short on a busy machine.
func Dial(tb testing.TB, o client.Options) client.Client {
	tb.Helper()
	o.ConnectionOptions.GetSystemInfoTimeout = time.Minute
	c, err := client.DialContext(tb.Context(), o)
	require.NoError(tb, err)
	tb.Cleanup(c.Close)
	return c
}

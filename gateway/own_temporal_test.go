package main

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/cogniverse/cogflow/internal/devserver"
)

// ownTemporal is a server for one test: that of all tests hands a task of any test to the worker of another
// one, and a worker that is killed answers none of those that it has.
func ownTemporal(t *testing.T) *devserver.Kept {
	t.Helper()
	binary, err := devserver.Find("../bin")
	require.NoError(t, err)
	s, err := devserver.Keep(t.Context(), devserver.Options{Binary: binary, Dir: filepath.Join(t.TempDir(), "temporal"), Headless: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

// clientOf is a client of a server that waits for it as long as a slow machine needs.
func clientOf(t *testing.T, s *devserver.Kept) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: s.Address(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

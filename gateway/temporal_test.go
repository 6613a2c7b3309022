package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/cogniverse/cogflow/internal/devserver"
)

// temporalServer is a real server for all tests. They tell their workflows apart by their types.
var temporalServer = sync.OnceValues(func() (*devserver.Kept, error) {
	binary, err := devserver.Find("../bin")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cogflow-gateway-")
	if err != nil {
		return nil, err
	}
	s, err := devserver.Keep(context.Background(), devserver.Options{Binary: binary, Dir: dir, Headless: true})
	if err != nil {
		return nil, err
	}
	stopTemporal = func() error {
		if err := s.Stop(); err != nil {
			return err
		}
		return os.RemoveAll(dir)
	}
	return s, nil
})

// stopTemporal ends the server after all tests.
var stopTemporal = func() error { return nil }

// temporal is the address of the server, and a client of it.
func temporal(t *testing.T) (string, client.Client) {
	t.Helper()
	s, err := temporalServer()
	require.NoError(t, err)
	c, err := client.DialContext(t.Context(), client.Options{HostPort: s.Address(), ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute}, WorkerHeartbeatInterval: time.Second, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.NoError(t, devserver.Register(t.Context(), c, client.DefaultNamespace))
	return s.Address(), c
}

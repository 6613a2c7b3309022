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
	"github.com/cogniverse/cogflow/internal/devserver/devservertest"
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
	return s.Address(), clientOf(t, s)
}

// ownTemporal is a server for one test: that of all tests hands a task of any test to the worker of another
// one, and a worker that is killed answers none of those that it has.
func ownTemporal(t *testing.T) *devserver.Kept {
	t.Helper()
	return devservertest.Start(t, "../bin")
}

func clientOf(t *testing.T, s *devserver.Kept) client.Client {
	t.Helper()
	c := devservertest.Dial(t, client.Options{
		HostPort: s.Address(), WorkerHeartbeatInterval: time.Second, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, devserver.Register(t.Context(), c, client.DefaultNamespace))
	return c
}

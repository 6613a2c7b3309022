package main

import (
	"context"
	"log/slog"
	"sync"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/jobs"
	"github.com/cogniverse/cogflow/internal/submit"
)

// openJobs makes the routes of jobs. They connect to the Temporal server and open the store at the
// first request, because models are served without both.
func openJobs(c config.Config, getenv func(string) string, logger *slog.Logger) (*jobs.API, func(), error) {
	options, server, err := submit.Find(getenv, c.UI)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Input, "read", "the Temporal settings", err)
	}
	// The client reports each failed connection; the answers and the log of requests do so, too.
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	temporal, err := client.NewLazyClient(options)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Input, "use the Temporal server", server.Address, err)
	}
	s := &store{url: c.Store}
	work := &jobs.API{
		Temporal: temporal, Server: server, Active: c.Active(), Log: logger,
		Store: func(ctx context.Context) (jobs.Store, error) { return s.open(ctx) },
	}
	return work, temporal.Close, nil
}

// store is opened when it is first used, and again after a failure.
type store struct {
	url string

	mu     sync.Mutex
	opened blob.Store
}

func (s *store) open(ctx context.Context) (blob.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		opened, err := blob.Open(ctx, s.url)
		if err != nil {
			return nil, err
		}
		s.opened = opened
	}
	return s.opened, nil
}

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
	"github.com/cogniverse/cogflow/internal/gateway/uploads"
	"github.com/cogniverse/cogflow/internal/submit"
)

// lazy makes a client of the Temporal server, which connects at the first request: models are served
// without it.
func lazy(c config.Config, getenv func(string) string) (client.Client, submit.Server, error) {
	options, server, err := submit.Find(getenv, c.UI)
	if err != nil {
		return nil, server, fault.Wrap(fault.Input, "read", "the Temporal settings", err)
	}
	// The client reports each failed connection; the answers and the log of requests do so, too.
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	temporal, err := client.NewLazyClient(options)
	if err != nil {
		return nil, server, fault.Wrap(fault.Input, "use the Temporal server", server.Address, err)
	}
	return temporal, server, nil
}

// openJobs makes the routes of jobs and of uploads. They open the store at the first request.
func openJobs(c config.Config, temporal client.Client, server submit.Server, logger *slog.Logger) (*jobs.API, *uploads.API) {
	s := &store{url: c.Store}
	files := &uploads.API{
		Store: func(ctx context.Context) (uploads.Store, error) { return s.open(ctx) },
		Most:  c.Gateway.MaxUpload, Open: c.Gateway.OpenUploads, For: c.Gateway.KeepUploads, Log: logger,
	}
	return &jobs.API{
		Temporal: temporal, Server: server, Active: c.Active(), Log: logger, Files: files, MostFile: c.Gateway.MaxUpload,
		Store: func(ctx context.Context) (jobs.Store, error) { return s.open(ctx) },
	}, files
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

package main

import (
	"context"
	"io"
	"os"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/library"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/internal/source"
	objects "github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
)

// openLibrary makes the routes of videos. The gateway reads sources under the rules of workers.
func openLibrary(c config.Config, temporal string, workers *asker) (*library.API, error) {
	s := &store{url: c.Store}
	sources, err := source.New(program.Sources(c, frontdoor.Local(temporal), os.TempDir(), uploaded{s}))
	if err != nil {
		return nil, err
	}
	return &library.API{
		Workers: workers,
		Store:   func(ctx context.Context) (activities.Store, error) { return s.open(ctx) },
		Source: func(ctx context.Context, t tenant.ID, uri string) (library.Bytes, error) {
			one, err := sources.Stream(ctx, t, uri)
			if err != nil {
				return library.Bytes{}, err
			}
			return library.Bytes{ReadSeekCloser: one, Version: one.Version}, nil
		},
	}, nil
}

// uploaded are the files of the store that tenants have uploaded.
type uploaded struct{ *store }

// Get implements source.Uploads.
func (u uploaded) Get(ctx context.Context, key string) (io.ReadCloser, objects.Info, error) {
	s, err := u.open(ctx)
	if err != nil {
		return nil, objects.Info{}, err
	}
	return s.Get(ctx, key)
}

// Part implements source.Uploads.
func (u uploaded) Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s, err := u.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.Part(ctx, key, offset, length)
}

// Stat implements source.Uploads.
func (u uploaded) Stat(ctx context.Context, key string) (objects.Info, error) {
	s, err := u.open(ctx)
	if err != nil {
		return objects.Info{}, err
	}
	return s.Stat(ctx, key)
}

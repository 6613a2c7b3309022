package main

import (
	"context"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/adapters"
)

// openAdapters makes the routes of adapters. They open the store at the first request.
func openAdapters(c config.Config) *adapters.API {
	s := &store{url: c.Store}
	return &adapters.API{Store: func(ctx context.Context) (adapters.Store, error) { return s.open(ctx) }}
}

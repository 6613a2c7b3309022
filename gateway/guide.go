package main

import (
	"context"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/guide"
)

// openGuide makes the routes of Cogniverse's deployment guide. They open the store at the first
// request that needs it.
func openGuide(c config.Config, models guide.Server, work guide.Jobs) *guide.API {
	s := &store{url: c.Store}
	return &guide.API{
		Server: models, Jobs: work, For: c.Gateway.KeepUploads,
		Store: func(ctx context.Context) (guide.Store, error) { return s.open(ctx) },
	}
}

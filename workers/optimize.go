package main

import (
	"context"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/internal/scorer"
)

// optimizing builds what the activities of prompt optimization work with, beside
// what those of ingestion do.
func (h *health) optimizing(ctx context.Context, c config.Config, getenv func(string) string) (*activities.Optimize, error) {
	a := h.ingest
	lms := newLMs(c, getenv)
	h.models.checks = append(h.models.checks, lms.checks...)
	if h.sandbox == nil {
		var err error
		if h.sandbox, err = sandbox.New(ctx, sandbox.Config{Require: c.RequireSandbox}); err != nil {
			return nil, err
		}
	}
	return &activities.Optimize{
		Store: a.Store, Documents: a.Sources, Ledger: a.Ledger, Runs: a.Runs, LM: lms, Version: version,
		Judges: scorer.New(scorer.Options{Sandbox: h.sandbox, Commands: c.Optimize.Metrics}),
		Cast:   lms.Cast,
		Report: report.RenderOptimize,
	}, nil
}

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
	lms, err := newLMs(c, getenv)
	if err != nil {
		return nil, err
	}
	if h.sandbox == nil {
		if h.sandbox, err = sandbox.New(ctx, sandbox.Config{Require: c.RequireSandbox}); err != nil {
			return nil, err
		}
	}
	return &activities.Optimize{
		Store: a.Store, Documents: a.Sources, Ledger: a.Ledger, Runs: a.Runs, LM: lms, Version: version,
		Judges: scorer.New(scorer.Options{Sandbox: h.sandbox, Commands: c.Optimize.Metrics}),
		Cast:   func() (activities.Cast, error) { return cast(c) },
		Report: report.RenderOptimize,
	}, nil
}

// cast asks the configuration who plays which role.
func cast(c config.Config) (out activities.Cast, err error) {
	if out.Student, err = c.Student(""); err != nil {
		return out, err
	}
	if out.Teacher, err = c.Teacher(); err != nil {
		return out, err
	}
	if out.Proposer, err = c.Proposer(); err != nil {
		return out, err
	}
	out.Judge, err = c.Judge()
	return out, err
}

package main

import (
	"context"
	"slices"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/internal/config"
	optimizereport "github.com/cogniverse/cogflow/internal/report/optimize"
	"github.com/cogniverse/cogflow/internal/scorer"
	"github.com/cogniverse/cogflow/workers/parameters"
)

// optimizing builds the dependencies of the activities of prompt optimization, in addition
// to those of ingestion.
func (h *health) optimizing(ctx context.Context, c config.Config, getenv func(string) string) (*optimize.Activities, error) {
	a := h.ingest
	lms := newLMs(c, getenv, h.parts.have(partLMs), h.servers)
	if h.parts.have(partLMs) && h.prove != nil {
		h.prover = &parameters.Prover{Config: c, LM: lms, Omitted: h.servers.params, Pay: h.prove, Job: checkJob, Asleep: h.owned.Asleep}
	}
	for _, check := range lms.checks {
		// An endpoint that also describes frames is checked once.
		same := func(m modelCheck) bool { return m.endpoint.Name == check.endpoint.Name }
		if check.endpoint.Dialect != "" || !slices.ContainsFunc(h.models.checks, same) {
			h.models.checks = append(h.models.checks, check)
		}
	}
	scoring := scorer.Options{Commands: c.Optimize.Metrics}
	if h.parts.have(partLMs) && len(c.Optimize.Metrics) > 0 { // other workers only check whether a command is configured
		var err error
		if scoring.Sandbox, err = h.confine(ctx); err != nil {
			return nil, err
		}
	}
	return &optimize.Activities{
		Store: a.Store, Documents: a.Sources, Ledger: a.Ledger, Broker: a.Broker, Runs: a.Runs, LM: lms, Version: version,
		Judges: scorer.New(scoring),
		Models: lms.Models, Usable: lms.Usable,
		Report: optimizereport.Render, Unsandboxed: c.NoSandbox,
	}, nil
}

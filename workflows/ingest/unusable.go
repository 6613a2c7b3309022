package ingest

import (
	"errors"

	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/bounds"
)

// maxGroups is the maximum number of reasons in an account of answers.
const maxGroups = 16

// checkUnusable limits an account that another run handed on.
func checkUnusable(groups []outcome.Group) ([]outcome.Group, error) {
	var out []outcome.Group
	for _, g := range groups[:min(len(groups), maxGroups)] {
		if !bounds.Counts(g.Answers, g.Of) {
			return nil, errors.New("a count is out of range")
		}
		g.Role, g.Reason = refusal.Role, outcome.Reason(safetext.Line(string(g.Reason), maxReason))
		samples := g.Samples
		g.Samples = nil
		for _, sample := range samples[:min(len(samples), outcome.MaxSamples)] {
			g.Samples = append(g.Samples, safetext.Line(sample, safetext.MaxReason))
		}
		out = append(out, g)
	}
	return out, nil
}

const maxReason = 40 // characters of the name of a reason

// unusableNote shows warnings, and counts with an example, in the Web UI.
func unusableNote(warnings []string, groups []outcome.Group) (note string) {
	for _, w := range warnings {
		note += "\n\n**Warning:** " + workflows.Cell(w)
	}
	for _, g := range groups {
		note += "\n\n" + workflows.Cell(g.Text())
		if len(g.Samples) > 0 {
			note += ", such as: " + workflows.Cell(g.Samples[0])
		}
	}
	return note
}

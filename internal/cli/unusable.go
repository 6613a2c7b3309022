package cli

import (
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/safetext"
)

// PrintUnusable prints the warnings, and the groups of answers that could not be used.
func (a *App) PrintUnusable(warnings []string, groups []outcome.Group) {
	for _, w := range warnings {
		a.Say("Warning: %s.", safetext.Clean(w))
	}
	for _, g := range groups {
		text := safetext.Clean(g.Text())
		if len(g.Samples) > 0 {
			text += ", such as: " + safetext.Clean(g.Samples[0])
		}
		a.Say("%s", text)
	}
}

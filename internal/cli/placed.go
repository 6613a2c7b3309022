package cli

import "github.com/cogniverse/cogflow/placement"

// SayPlaced says which rule of placement decides about a job, and why the rules before it do
// not. nil = there are no rules.
func (a *App) SayPlaced(d *placement.Decision) {
	if d == nil {
		return
	}
	a.Say("Placement: %s", *d)
	for _, p := range d.Passed {
		a.Say("  not %s: %s", p.Rule, p.Why)
	}
}

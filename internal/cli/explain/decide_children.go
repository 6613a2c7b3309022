package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/cli/format"
)

// examples bounds the children that are named for one cause.
const examples = 3

// merged keeps one of the steps of a run that have the same cause, the oldest.
func merged(all []Cause) []Cause {
	var out []Cause
	more := map[string]int{}
	for _, c := range sorted(all) {
		if slices.ContainsFunc(out, func(o Cause) bool { return o.Code == c.Code }) {
			more[c.Code]++
			continue
		}
		out = append(out, c)
	}
	for i, c := range out {
		if n := more[c.Code]; n > 0 && c.Step != "" {
			out[i].Text = fmt.Sprintf("%s The same holds for %s of the job.", sentence(c.Text), format.Count(n, "more step", "more steps"))
		}
	}
	return out
}

// sentence ends a text with a full stop.
func sentence(text string) string {
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// ofChildren sums up why the children of a job wait, by cause.
func (f facts) ofChildren() []Cause {
	by := map[string][]Cause{}
	var order []string
	for _, child := range f.children {
		worst := decide(child)[0]
		if rank(worst.Code) >= rank(Running) || ended(worst.Code) {
			continue
		}
		if by[worst.Code] == nil {
			order = append(order, worst.Code)
		}
		by[worst.Code] = append(by[worst.Code], worst)
	}
	var out []Cause
	for _, code := range order {
		all := sorted(by[code])
		c := all[0]
		c.Runs = len(all)
		// One video or run is rarely cancelled alone.
		c.Do = slices.DeleteFunc(slices.Clone(c.Do), func(do string) bool { return strings.HasPrefix(do, "cogflow cancel ") })
		for _, one := range all[:min(examples, len(all))] {
			c.Examples = append(c.Examples, one.Workflow)
		}
		verb := "waits"
		if c.Runs > 1 {
			verb = "wait"
		}
		if !c.blocks() {
			verb = "is slow"
			if c.Runs > 1 {
				verb = "are slow"
			}
		}
		c.Text = fmt.Sprintf("%d of %s %s. %s: %s", c.Runs, format.Count(f.active, "active run", "active runs"), verb, c.Workflow, c.Text)
		if len(f.children) < f.active {
			c.Text = fmt.Sprintf("%s (%d of them were asked.)", c.Text, len(f.children))
		}
		out = append(out, c)
	}
	return out
}

// ended reports whether a child ended while it was asked.
func ended(code string) bool {
	return slices.Contains([]string{UnknownID, Completed, Failed, Cancelled, Terminated, TimedOut}, code)
}

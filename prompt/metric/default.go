package metric

import "github.com/cogniverse/cogflow/prompt"

// Default is the metric if none is given: every output of the program equals the example's
// column of the same name, with equal weights.
func Default(program *prompt.Program) *Metric {
	m := &Metric{Kind: Mean}
	for _, f := range program.Outputs() {
		if f.Name != "reasoning" { // of a chain of thought, which examples do not have
			m.Parts = append(m.Parts, &Metric{Kind: Exact, Field: f.Name})
		}
	}
	if len(m.Parts) == 1 {
		return m.Parts[0]
	}
	return m
}

// Commands lists the names of the commands that the metric calls.
func (m *Metric) Commands() []string {
	if m.Kind == Command {
		return []string{m.Command}
	}
	var all []string
	for _, part := range m.Parts {
		all = append(all, part.Commands()...)
	}
	return all
}

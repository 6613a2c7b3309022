package metric

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/annotation"
)

// Columns lists the columns of the examples that the metric needs. A command may read any.
func (m *Metric) Columns() []string {
	var all []string
	add := func(names ...string) {
		for _, name := range names {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	switch m.Kind {
	case Exact, F1, Contains, Numeric, Calibrated:
		add(root(m.expected()))
	case Judge:
		for _, f := range m.Program.Inputs() {
			if !strings.HasPrefix(f.Name, predicted) {
				add(f.Name)
			}
		}
	case Command, Mean:
	}
	for _, part := range m.Parts {
		add(part.Columns()...)
	}
	return all
}

// CheckScores rejects a judge whose score has a type other than a number from 0 to 1. Jobs of
// earlier builds may have such a judge.
func (m *Metric) CheckScores() error {
	if m.Kind == Judge {
		for _, f := range m.Program.Outputs() {
			if f.Name == scoreField {
				return checkScore(f)
			}
		}
	}
	for _, part := range m.Parts {
		if err := part.CheckScores(); err != nil {
			return err
		}
	}
	return nil
}

func checkScore(f prompt.Field) error {
	switch f.Kind {
	case annotation.Literal:
		for _, o := range f.Options {
			if n, ok := number(o); !ok || n < 0 || n > 1 {
				return fmt.Errorf("the judge's score may be %v, which is not a number from 0 to 1", o)
			}
		}
		return nil
	case annotation.Str, "":
		return fmt.Errorf("the judge's score must have the type float, int or bool; the type of %q is str", scoreField)
	case annotation.List, annotation.Dict:
		return fmt.Errorf("the judge's score must have the type float, int or bool; it has %s", f.Kind)
	default:
		return nil
	}
}

// Package metric scores a program's outputs against an example: exactly, by shared words,
// by containment, within a tolerance, by the calibration of a confidence, by a judging
// model, or by a command that a worker's configuration names. It makes no calls itself: a
// score that needs an answer returns the request.
package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/strictjson"
)

// Kind of a metric.
type Kind string

// The kinds.
const (
	Exact      Kind = "exact"      // 1 if equal, else 0
	F1         Kind = "f1"         // F1 of the common words, as in DSPy
	Contains   Kind = "contains"   // 1 if the expected text, or one of a list, is in the output
	Numeric    Kind = "numeric"    // 1 if within Tolerance or Relative
	Calibrated Kind = "calibrated" // 1 - (Confidence - correct)², where correct is Exact of Field
	Judge      Kind = "judge"      // the score of a model, from 0 to 1
	Command    Kind = "command"    // the score of a configured command
	Mean       Kind = "mean"       // of Parts, by their weights
)

// Known reports whether a kind of metric exists.
func Known(k Kind) bool {
	return slices.Contains([]Kind{Exact, F1, Contains, Numeric, Calibrated, Judge, Command, Mean}, k)
}

// Metric scores an output from 0 to 1.
type Metric struct {
	Kind   Kind    `json:"kind"`
	Weight float64 `json:"weight,omitempty"` // within a mean; 0 = 1

	Field     string `json:"field,omitempty"`     // of the outputs; a dot reaches into an object
	Expected  string `json:"expected,omitempty"`  // column of the example; "" = Field
	Normalize bool   `json:"normalize,omitempty"` // exact, contains: without case, punctuation and articles, as DSPy's EM

	Tolerance float64 `json:"tolerance,omitempty"` // numeric: absolute
	Relative  float64 `json:"relative,omitempty"`  // numeric: as a share of the expected value

	Confidence string `json:"confidence,omitempty"` // calibrated: the output with the confidence, from 0 to 1

	// Program judges. It may read every column of the example by its name, and every output
	// as predicted_NAME, and has an output score: a number from 0 to 1, or a boolean.
	Program *prompt.Program `json:"program,omitempty"`

	Command string `json:"command,omitempty"` // its name in the worker's configuration

	Parts []*Metric `json:"parts,omitempty"`
}

// Inputs are the columns that judges read.
func (m *Metric) Inputs() (fields []prompt.Field) {
	if m.Kind == Judge {
		for _, f := range m.Program.Inputs() {
			if !strings.HasPrefix(f.Name, predicted) {
				fields = append(fields, f)
			}
		}
	}
	for _, part := range m.Parts {
		fields = append(fields, part.Inputs()...)
	}
	return fields
}

const (
	readMetric = "read metric"
	maxParts   = 64
	scoreField = "score"
	predicted  = "predicted_"
)

// Read reads a metric for a program whose examples have these columns. It rejects names of
// missing fields and columns.
func Read(text []byte, program *prompt.Program, columns []string) (*Metric, error) {
	m := &Metric{}
	err := strictjson.Unmarshal(text, m)
	if err == nil {
		err = m.check(program, columns, true)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Input, readMetric, string(m.Kind), err)
	}
	return m, nil
}

func (m *Metric) check(program *prompt.Program, columns []string, top bool) error {
	if m.Weight < 0 || math.IsNaN(m.Weight) || math.IsInf(m.Weight, 0) {
		return fmt.Errorf("weight must be a number that is not negative, got %v", m.Weight)
	}
	switch m.Kind {
	case Exact, F1, Contains, Numeric, Calibrated:
		return m.checkFields(program, columns)
	case Judge:
		return m.checkJudge(program, columns)
	case Command:
		if m.Command == "" || strings.ContainsAny(m.Command, "/\\ \t\n") {
			return errors.New("name a command of the worker's configuration")
		}
		return nil
	case Mean:
		if !top || len(m.Parts) == 0 || len(m.Parts) > maxParts {
			return fmt.Errorf("a mean must have 1 to %d parts and be the outermost metric", maxParts)
		}
		for i, part := range m.Parts {
			if part == nil {
				return fmt.Errorf("part %d is null", i+1)
			}
			if err := part.check(program, columns, false); err != nil {
				return fmt.Errorf("part %d (%s): %w", i+1, part.Kind, err)
			}
		}
		return nil
	}
	return fmt.Errorf("unknown kind %q; use exact, f1, contains, numeric, calibrated, judge, command or mean", m.Kind)
}

func (m *Metric) checkFields(program *prompt.Program, columns []string) error {
	if err := checkOutput(program, m.Field); err != nil {
		return err
	}
	if column := root(m.expected()); !slices.Contains(columns, column) {
		return fmt.Errorf("the examples have no column %q; they have %s", column, strings.Join(columns, ", "))
	}
	if m.Tolerance < 0 || m.Relative < 0 {
		return errors.New("a tolerance must not be negative")
	}
	if m.Kind == Calibrated {
		return checkOutput(program, m.Confidence)
	}
	return nil
}

func (m *Metric) checkJudge(program *prompt.Program, columns []string) error {
	if m.Program == nil {
		return errors.New("a judge requires a program")
	}
	text, err := json.Marshal(m.Program)
	if err != nil {
		return err
	}
	if m.Program, err = prompt.Read(text); err != nil { // the judge is part of another file and is not checked yet
		return err
	}
	if !hasField(m.Program.Outputs(), scoreField) {
		return fmt.Errorf("the judge has no output %q", scoreField)
	}
	for _, f := range m.Program.Inputs() {
		output, ok := strings.CutPrefix(f.Name, predicted)
		if ok && hasField(program.Outputs(), output) || slices.Contains(columns, f.Name) {
			continue
		}
		return fmt.Errorf("the judge reads %q, which is neither a column of the examples nor an output of the program after %q", f.Name, predicted)
	}
	return nil
}

func checkOutput(program *prompt.Program, path string) error {
	if path == "" {
		return errors.New("field is required")
	}
	for _, f := range program.Outputs() {
		if f.Name == path {
			return nil
		}
		if rest, ok := strings.CutPrefix(path, f.Name+"."); ok {
			return checkMember(&f.Type, path, rest)
		}
	}
	return fmt.Errorf("the program has no output %q", root(path))
}

// checkMember follows the rest of a path into a type.
func checkMember(t *prompt.Type, path, rest string) error {
	if t.Kind != prompt.Dict {
		return fmt.Errorf("%q reaches into a field that is not an object", path)
	}
	if len(t.Fields) == 0 {
		return nil // any key is allowed
	}
	name, rest, deeper := strings.Cut(rest, ".")
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			if !deeper {
				return nil
			}
			return checkMember(&t.Fields[i].Type, path, rest)
		}
	}
	return fmt.Errorf("%q: class %s has no field %q", path, t.Class, name)
}

func (m *Metric) expected() string {
	if m.Expected != "" {
		return m.Expected
	}
	return m.Field
}

func (m *Metric) weight() float64 {
	if m.Weight == 0 {
		return 1
	}
	return m.Weight
}

func root(path string) string {
	name, _, _ := strings.Cut(path, ".")
	return name
}

func hasField(fields []prompt.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

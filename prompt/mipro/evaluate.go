package mipro

import (
	"fmt"

	"github.com/cogniverse/cogflow/prompt"
)

// Evaluation runs a program on examples and scores it, outside any search.
type Evaluation struct {
	rows  []*row
	board board
}

// NewEvaluation begins to run a program on examples.
func NewEvaluation(plan *Plan, program *prompt.Program, examples []*prompt.Object) *Evaluation {
	e := &Evaluation{}
	for i, example := range examples {
		r := newRow(Student, program, plan.job.Student, plan.inputs(example), example, plan.job)
		e.rows = append(e.rows, r)
		e.board.add(fmt.Sprintf("evaluate/%d", i), r)
	}
	return e
}

// Calls lists the answers that are needed now; none = the evaluation is over.
func (e *Evaluation) Calls() []Call { return e.board.calls() }

// Take takes an answer.
func (e *Evaluation) Take(id string, answer Answer) error { return e.board.take(id, answer) }

// Scores are those of the examples, from 0 to 1, of an evaluation that is over.
func (e *Evaluation) Scores() []float64 {
	scores := make([]float64, len(e.rows))
	for i, r := range e.rows {
		scores[i] = r.score()
	}
	return scores
}

// Outputs are what the program gave; nil where its answer could not be read.
func (e *Evaluation) Outputs() []*prompt.Object {
	outputs := make([]*prompt.Object, len(e.rows))
	for i, r := range e.rows {
		if out, err := r.run.Result(); err == nil {
			outputs[i] = out
		}
	}
	return outputs
}

package mipro

import (
	"strconv"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
)

// Run is the run of a program on one example, and its score.
type Run struct {
	role    Role
	run     *prompt.Execution
	metric  *metric.Metric
	judge   prompt.Server
	Example *prompt.Object
	scoring *metric.Scoring
	failed  bool // the program gave no outputs
}

// Start has the student or the teacher run a program on an example, and scores it.
func (p *Plan) Start(role Role, program *prompt.Program, example *prompt.Object) *Run {
	server := p.Job.Student
	if role == Teacher {
		server = p.Job.Tutor
	}
	r := &Run{role: role, run: program.Start(p.Inputs(example), server), metric: p.Job.Metric, judge: p.Job.Judge, Example: example}
	r.advance()
	return r
}

// advance goes on to scoring when the run is over.
func (r *Run) advance() {
	if r.scoring != nil || r.failed || r.run.Next() != nil {
		return
	}
	outputs, err := r.run.Result()
	if err != nil {
		r.failed = true
		return
	}
	r.scoring = r.metric.Start(r.Example, outputs, r.judge)
}

// Call is the answer that the run or its score needs next; nil = none.
func (r *Run) Call() *Call {
	if next := r.run.Next(); next != nil {
		return &Call{Role: r.role, Request: next}
	}
	if r.scoring == nil {
		return nil
	}
	if question := r.scoring.Question(); question != nil {
		return &Call{Role: Judge, Request: question}
	}
	if name := r.scoring.Command(); name != "" {
		outputs, _ := r.run.Result() // a run that is being scored has outputs
		return &Call{Role: Command, Command: name, Example: r.Example, Outputs: outputs}
	}
	return nil
}

// Take takes the answer to Call.
func (r *Run) Take(answer Answer) {
	switch {
	case r.run.Next() != nil:
		r.run.Take(answer.Text)
		r.advance()
	case r.scoring != nil && r.scoring.Question() != nil:
		r.scoring.Answer(answer.Text)
	case r.scoring != nil:
		r.scoring.Scored(answer.Score)
	}
}

// Done says whether nothing is missing any more.
func (r *Run) Done() bool { return r.Call() == nil }

// Score is that of a run that is done, from 0 to 1; without outputs it is 0.
func (r *Run) Score() float64 {
	if r.failed {
		return 0
	}
	return r.scoring.Score()
}

// Failed says whether a run that is done has no outputs: an answer could not be read.
func (r *Run) Failed() bool { return r.failed }

// Trace lists the calls of the program that could be read.
func (r *Run) Trace() []prompt.Step { return r.run.Trace() }

// Outputs are what the program gave; nil where an answer could not be read.
func (r *Run) Outputs() *prompt.Object {
	if out, err := r.run.Result(); err == nil {
		return out
	}
	return nil
}

// Percent is the mean in percent, rounded to two places as Python does.
func Percent(scores []float64) float64 {
	sum := 0.0
	for _, score := range scores {
		sum += score
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(100*sum/float64(len(scores)), 'f', 2, 64), 64)
	if err != nil {
		return 0 // it was just written
	}
	return rounded
}

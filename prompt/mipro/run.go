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
	failed  bool // the program has no outputs
}

// Start begins a run of the student or the teacher on an example, and its scoring.
func (p *Plan) Start(role Role, program *prompt.Program, example *prompt.Object) *Run {
	server := p.Job.Student
	if role == Teacher {
		server = p.Job.Tutor
	}
	r := &Run{role: role, run: program.Start(p.Inputs(example), server), metric: p.Job.Metric, judge: p.Job.Judge, Example: example}
	r.advance()
	return r
}

// advance continues with scoring when the run is over.
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

// Call is the next call of the run or its scoring; nil = none.
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
		r.run.TakeSaid(answer.Said())
		r.advance()
	case r.scoring != nil && r.scoring.Question() != nil:
		r.scoring.AnswerSaid(answer.Said())
	case r.scoring != nil:
		r.scoring.Scored(metric.Mark{Score: answer.Score, Feedback: answer.Feedback, Predictors: answer.Predictors})
	}
}

// Done reports whether the run and its scoring are complete.
func (r *Run) Done() bool { return r.Call() == nil }

// Score is the score of a finished run, from 0 to 1; without outputs it is 0.
func (r *Run) Score() float64 {
	if r.failed {
		return 0
	}
	return r.scoring.Score()
}

// Feedback says in words what a finished run did right or wrong, for one predictor of the
// program; "" if the metric says no more than its score.
func (r *Run) Feedback(predictor string) string {
	if r.scoring == nil {
		return ""
	}
	return r.scoring.Feedback(predictor)
}

// Asked are the inputs of the predictor at which the run is, or ended.
func (r *Run) Asked() *prompt.Object { return r.run.Inputs() }

// Unread is the predictor whose answers could not be read, and its last answer; none = "".
func (r *Run) Unread() (predictor int, answer string) { return r.run.Unread() }

// Failed reports whether a finished run has no outputs, because an answer could not be
// read.
func (r *Run) Failed() bool { return r.failed }

// Trace lists the calls of the program whose answers were parsed.
func (r *Run) Trace() []prompt.Step { return r.run.Trace() }

// Outputs are the outputs of the program; nil if an answer could not be read.
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
		return 0 // the text was made by Sprintf
	}
	return rounded
}

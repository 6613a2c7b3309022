package mipro

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
)

// Role says who is asked.
type Role string

// The roles.
const (
	Student  Role = "student"  // runs candidates
	Teacher  Role = "teacher"  // runs the program for demos
	Proposer Role = "proposer" // writes instructions
	Judge    Role = "judge"    // scores, where the metric says so
	Command  Role = "command"  // scores, by a command of the worker's configuration
)

// Call is one answer that is needed. Calls that are listed together do not
// depend on each other.
type Call struct {
	ID          string          // within the stage
	Role        Role            //
	Request     *prompt.Request // nil for a command
	Temperature *float64        // nil = the model's own
	Rollout     int64           // tells apart what would be the same question; 0 = nothing to tell apart

	Command string         // for a command: its name, and what is shown to it
	Example *prompt.Object //
	Outputs *prompt.Object //
}

// Answer is what came back: a text, or from a command a score from 0 to 1.
type Answer struct {
	Text  string  `json:"text,omitempty"`
	Score float64 `json:"score,omitempty"`
}

// asker needs answers one after the other.
type asker interface {
	call() *Call // nil = it needs none any more
	take(Answer)
}

// board keeps the askers of a stage in the order of their beginning.
type board struct {
	askers map[string]asker
	asked  map[string]int
	order  []string
}

func (b *board) add(name string, a asker) {
	if b.askers == nil {
		b.askers, b.asked = map[string]asker{}, map[string]int{}
	}
	b.askers[name] = a
	b.order = append(b.order, name)
}

func (b *board) remove(name string) {
	delete(b.askers, name)
	for i, n := range b.order {
		if n == name {
			b.order = append(b.order[:i:i], b.order[i+1:]...)
			return
		}
	}
}

// calls lists what is needed now.
func (b *board) calls() []Call {
	var all []Call
	for _, name := range b.order {
		if call := b.askers[name].call(); call != nil {
			call.ID = fmt.Sprintf("%s#%d", name, b.asked[name])
			all = append(all, *call)
		}
	}
	return all
}

// take gives an answer to the asker that needs it.
func (b *board) take(id string, answer Answer) error {
	name := id[:max(strings.LastIndexByte(id, '#'), 0)]
	a, ok := b.askers[name]
	if !ok || a.call() == nil || id != fmt.Sprintf("%s#%d", name, b.asked[name]) {
		return fault.New(fault.Input, "take answer", id, "nothing waits for it")
	}
	b.asked[name]++
	a.take(answer)
	return nil
}

// row is the run of a program on one example, and its score.
type row struct {
	role    Role
	run     *prompt.Execution
	metric  *metric.Metric
	judge   prompt.Server
	example *prompt.Object
	scoring *metric.Scoring
	failed  bool // the program gave no outputs
}

func newRow(role Role, program *prompt.Program, server prompt.Server, inputs, example *prompt.Object, job *Job) *row {
	r := &row{role: role, run: program.Start(inputs, server), metric: job.Metric, judge: job.Judge, example: example}
	r.advance()
	return r
}

// advance goes on to scoring when the run is over.
func (r *row) advance() {
	if r.scoring != nil || r.failed || r.run.Next() != nil {
		return
	}
	outputs, err := r.run.Result()
	if err != nil {
		r.failed = true
		return
	}
	r.scoring = r.metric.Start(r.example, outputs, r.judge)
}

func (r *row) call() *Call {
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
		return &Call{Role: Command, Command: name, Example: r.example, Outputs: outputs}
	}
	return nil
}

func (r *row) take(answer Answer) {
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

// done says whether nothing is missing any more.
func (r *row) done() bool { return r.call() == nil }

// score of a row that is done; a run without outputs scores 0.
func (r *row) score() float64 {
	if r.failed {
		return 0
	}
	return r.scoring.Score()
}

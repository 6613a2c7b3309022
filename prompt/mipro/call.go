package mipro

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
)

// Role is the role of the called model.
type Role string

// The roles.
const (
	Student  Role = "student"  // runs candidates
	Teacher  Role = "teacher"  // runs the program for demos
	Proposer Role = "proposer" // writes instructions
	Judge    Role = "judge"    // scores answers, if the metric uses a judge
	Command  Role = "command"  // scores answers with a command of the worker's configuration
)

// Call is one needed answer. Calls that are listed together do not depend on each other.
type Call struct {
	ID          string          // within the stage
	Role        Role            //
	Request     *prompt.Request // nil for a command
	Temperature *float64        // nil = the model's own
	Rollout     int64           // distinguishes repeated equal requests; 0 = first

	Command string         // for a command: its name, and its inputs
	Example *prompt.Object //
	Outputs *prompt.Object //
}

// Answer is the response: a text, or what a command says of an output.
type Answer struct {
	Text       string            `json:"text,omitempty"`
	Score      float64           `json:"score,omitempty"`      // from 0 to 1
	Feedback   string            `json:"feedback,omitempty"`   // see metric.Mark
	Predictors map[string]string `json:"predictors,omitempty"` // feedback for single predictors, by name
	Truncated  bool              `json:"-"`                    // see prompt.Said
	Unread     func(why error)   `json:"-"`
}

// Said is the answer as a program takes it.
func (a Answer) Said() prompt.Said {
	return prompt.Said{Text: a.Text, Truncated: a.Truncated, Unread: a.Unread}
}

// Asker makes calls one after another.
type Asker interface {
	Call() *Call // nil = no more calls
	Take(Answer)
}

// Pending holds the askers of a stage in the order in which they were added. The zero value is
// empty.
type Pending struct {
	askers map[string]Asker
	asked  map[string]int
	order  []string
}

// Add adds an asker; name is the prefix of its calls' ids.
func (b *Pending) Add(name string, a Asker) {
	if b.askers == nil {
		b.askers, b.asked = map[string]Asker{}, map[string]int{}
	}
	b.askers[name] = a
	b.order = append(b.order, name)
}

// Remove removes an asker.
func (b *Pending) Remove(name string) {
	delete(b.askers, name)
	for i, n := range b.order {
		if n == name {
			b.order = append(b.order[:i:i], b.order[i+1:]...)
			return
		}
	}
}

// Calls lists the pending calls.
func (b *Pending) Calls() []Call {
	var all []Call
	for _, name := range b.order {
		if call := b.askers[name].Call(); call != nil {
			call.ID = fmt.Sprintf("%s#%d", name, b.asked[name])
			all = append(all, *call)
		}
	}
	return all
}

// Take passes an answer to the asker of the call.
func (b *Pending) Take(id string, answer Answer) error {
	name := id[:max(strings.LastIndexByte(id, '#'), 0)]
	a, ok := b.askers[name]
	if !ok || a.Call() == nil || id != fmt.Sprintf("%s#%d", name, b.asked[name]) {
		return fault.New(fault.Input, "take answer", id, "no pending call has this id")
	}
	b.asked[name]++
	a.Take(answer)
	return nil
}

// Package zootest has a model endpoint for tests that behaves as providers, gateways and local
// servers were seen to behave. Each behaviour names its source, and how the server bills it. The
// endpoint keeps an account. It is no model, and knows neither ledger nor job.
package zootest

import (
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// Outcome is what a caller makes of a behaviour.
type Outcome string

// The outcomes.
const (
	Answered Outcome = "answered" // a text
	Empty    Outcome = "empty"    // an answer without a text: a row scores 0, a frame is refused
	Filtered Outcome = "filtered" // a filter refuses this request
	TooLong  Outcome = "too long" // this request does not fit into the context
	Refused  Outcome = "refused"  // this request, for another reason

	NotServed Outcome = "not served" // every request: the model or the address is wrong
	Denied    Outcome = "denied"     // every request: the key or the account is

	Busy   Outcome = "busy"   // for a while
	Broken Outcome = "broken" // another attempt may be answered
)

// OfRequest reports whether an outcome concerns one request, and is final.
func (o Outcome) OfRequest() bool {
	return o == Answered || o == Empty || o == Filtered || o == TooLong || o == Refused
}

// Passes reports whether another attempt may have another outcome.
func (o Outcome) Passes() bool { return o == Busy || o == Broken }

// Bill is how a server bills a request, and what of it a caller can know.
type Bill string

// The bills.
const (
	Exact     Bill = "exact"     // the answer says what is billed
	Free      Bill = "free"      // nothing is
	Estimated Bill = "estimated" // there is an answer that does not say it
	Unknown   Bill = "unknown"   // there is neither: the caller books its reservation
)

// Tokens of a request, and of its answer.
const (
	Input  = 9
	Output = 4
)

// Behaviour is one way in which a server behaves.
type Behaviour struct {
	Name    string
	Source  string // an issue, a pull request or a page of documentation
	Outcome Outcome
	Caption Outcome // of a description of a frame; "" = Outcome
	Bill    Bill
	NoText  bool          // Output tokens are not billed
	Finish  string        // of an answer
	Reason  string        // part of what the caller is told
	Wait    time.Duration // that the server asks for
	Endless bool          // only the caller's timeout ends it
	// Refuses decides by the request whether the server behaves so; nil = it does.
	Refuses func(body []byte) bool

	// Answer sends an answer with this text.
	Answer func(text string) answertest.Answer
}

// OfCaption is the outcome of a description of a frame.
func (b Behaviour) OfCaption() Outcome {
	if b.Caption != "" {
		return b.Caption
	}
	return b.Outcome
}

// All lists the behaviours. Their order is part of no contract; their names are.
func All() []Behaviour {
	var all []Behaviour
	for _, part := range [][]Behaviour{
		answers(), usages(), empties(), streams(), brokenStreams(), overflows(), filters(), refusals(), accounts(), busy(), gateways(), connections(),
	} {
		all = append(all, part...)
	}
	return all
}

// Named finds a behaviour.
func Named(name string) (Behaviour, bool) {
	for _, b := range All() {
		if b.Name == name {
			return b, true
		}
	}
	return Behaviour{}, false
}

func plain(w http.ResponseWriter, text string) {
	body(http.StatusOK, completion(`"finish_reason":"stop"`, usage))(text)(w)
}

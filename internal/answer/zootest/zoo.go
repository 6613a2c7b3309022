// Package zootest has a model endpoint for tests with the observed behaviours of providers,
// gateways and local servers. Each behaviour names its source, and how the server bills it. The
// endpoint records what it billed. It runs no model, and knows neither ledger nor job.
package zootest

import (
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/prompt/outcome"
)

// Outcome is the result of a call for the caller.
type Outcome string

// The outcomes.
const (
	Answered Outcome = "answered" // a text
	Empty    Outcome = "empty"    // an answer without a text: a row scores 0, a frame is refused
	Filtered Outcome = "filtered" // a filter refuses this request
	TooLong  Outcome = "too long" // this request does not fit into the context
	Refused  Outcome = "refused"  // this request is refused for another reason

	NotServed Outcome = "not served" // every request fails: the model or the address is wrong
	Denied    Outcome = "denied"     // every request fails: the key or the account is invalid

	Busy   Outcome = "busy"   // the server is overloaded for a time
	Broken Outcome = "broken" // a retry may succeed
)

// OfRequest reports whether an outcome concerns one request, and is final.
func (o Outcome) OfRequest() bool {
	return o == Answered || o == Empty || o == Filtered || o == TooLong || o == Refused
}

// Passes reports whether a retry may have another outcome.
func (o Outcome) Passes() bool { return o == Busy || o == Broken }

// Bill is how a server bills a request, and how much the caller can know about it.
type Bill string

// The bills.
const (
	Exact     Bill = "exact"     // the answer says what is billed
	Free      Bill = "free"      // nothing is billed
	Estimated Bill = "estimated" // the answer does not say what is billed: the caller estimates it
	Unknown   Bill = "unknown"   // there is no answer: the caller books its reservation
)

// Tokens of a request, and of its answer.
const (
	Input  = 9
	Output = 4
)

// Behaviour is one way in which a server behaves.
type Behaviour struct {
	Name      string
	Source    string // an issue, a pull request or a page of documentation
	Outcome   Outcome
	Caption   Outcome        // of a request for a caption; "" = Outcome
	NoCaption outcome.Reason // why the answer is not a caption; "" = it is one, or OfCaption says why
	Bill      Bill
	NoText    bool          // Output tokens are not billed
	Finish    string        // finish_reason of the answer
	Reason    string        // part of the error
	Wait      time.Duration // requested by the server
	Endless   bool          // only the caller's timeout ends it
	// Refuses reports whether the behaviour applies to a request; nil = it always does.
	Refuses func(body []byte) bool

	// Answer sends an answer with this text.
	Answer func(text string) answertest.Answer
}

// OfCaption is the outcome of a request for a caption.
func (b Behaviour) OfCaption() Outcome {
	if b.Caption != "" {
		return b.Caption
	}
	return b.Outcome
}

// Unusable is the reason why a request for a caption has none; "" = it has one, the endpoint
// rejects the request, or a retry may have one.
func (b Behaviour) Unusable() outcome.Reason {
	switch b.Outcome {
	case Filtered:
		return outcome.Filter
	case TooLong:
		return outcome.Overflow
	default:
		return b.NoCaption
	}
}

// All lists the behaviours. Tests may rely on their names, not on their order.
func All() []Behaviour {
	var all []Behaviour
	for _, part := range [][]Behaviour{
		answers(), usages(), empties(), streams(), brokenStreams(), overflows(), filters(), refusals(), parameters(), accounts(), busy(), gateways(), connections(),
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

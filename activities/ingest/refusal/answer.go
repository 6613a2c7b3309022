package refusal

import (
	"context"
	"errors"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// Answer is an answer of a describer that is not a caption. It is paid for, so the same
// request is not sent again, in this run or a later one. A changed model, revision, prompt or
// max_tokens is another request.
type Answer struct {
	Reason       outcome.Reason `json:"reason"`
	Why          string         `json:"why"`
	Sample       string         `json:"sample,omitempty"`
	CostMicroUSD int64          `json:"cost_micro_usd,omitempty"`
}

// Final reads the answer in the failure of a call. ok is false if the failure has none, or if
// the same request may have a better one.
func Final(err error, reservedMicroUSD int64) (a Answer, ok bool) {
	if fault.ClassOf(err) != fault.Input || !money.IsCharged(err) {
		return Answer{}, false
	}
	a = answerOf(err)
	a.CostMicroUSD = money.ChargeOf(err, reservedMicroUSD)
	return a, a.Reason != ""
}

// answerOf is what an error says of the answer; Reason "" = nothing.
func answerOf(err error) Answer {
	u, ok := errors.AsType[*outcome.UnusableError](err)
	if !ok {
		return Answer{}
	}
	return Answer{
		Reason: u.Reason, Why: safetext.Line(err.Error(), safetext.MaxReason), Sample: safetext.Line(u.Sample, maxSample),
	}
}

// Err is the fault of the answer.
func (a Answer) Err() error {
	return &outcome.UnusableError{Reason: a.Reason, Sample: a.Sample, Err: &fault.Error{Class: fault.Input, Op: a.Why}}
}

// Stored returns the fault of the answer that is stored under a key; nil = none is.
func Stored(ctx context.Context, s activities.Store, key string) error {
	var a Answer
	err := activities.ReadJSON(ctx, s, key, &a)
	switch {
	case activities.Absent(err):
		return nil
	case err != nil:
		return err
	}
	return a.Err()
}

// reasonOf names the reason of a refusal for the account of a run.
func reasonOf(err error) outcome.Reason {
	switch a := answerOf(err); {
	case a.Reason != "":
		return a.Reason
	case errors.Is(err, money.ErrGivenUp):
		return outcome.GivenUp
	}
	return outcome.Rejected
}

const maxSample = 160 // characters of an example

// Role is the role of describers in the account of answers.
const Role = video.KindDescribe

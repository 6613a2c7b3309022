package zootest

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/prompt"
)

// OutcomeOf is the outcome of a completion for its caller.
func OutcomeOf(said prompt.CompletionAnswer, err error) Outcome {
	switch class := fault.ClassOf(err); {
	case err == nil && said.Finish == prompt.FinishFilter:
		return Filtered
	case err == nil && said.Text == "":
		return Empty
	case err == nil:
		return Answered
	case class == fault.Auth:
		return Denied
	case class == fault.Overload:
		return Busy
	case class == fault.Transport:
		return Broken
	case errors.Is(err, prompt.ErrTooLong), errors.Is(err, answer.ErrTooLong):
		return TooLong
	case errors.Is(err, fault.ErrNotServed):
		return NotServed
	}
	return Refused
}

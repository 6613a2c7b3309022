package submit

import (
	"errors"

	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
)

// Classes of failures that are not those of package fault.
const (
	ClassTimeout    = "timeout"
	ClassCancelled  = "cancelled"
	ClassTerminated = "terminated"
)

// Cause is the class and the message of what ended a job; false = err is not the end of a job.
func Cause(err error) (class, message string, ok bool) {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return string(f.Class), f.Error(), true
	}
	application := innermost(err)
	if timeout, ok := errors.AsType[*temporal.TimeoutError](err); ok && application == nil {
		return ClassTimeout, timeout.Error(), true
	}
	if application != nil {
		return application.Type(), application.Message(), true
	}
	if _, ok := errors.AsType[*temporal.CanceledError](err); ok {
		return ClassCancelled, "the job was cancelled", true
	}
	if _, ok := errors.AsType[*temporal.TerminatedError](err); ok {
		return ClassTerminated, "the job was terminated", true
	}
	return "", "", false
}

// innermost returns the innermost application error, without the errors of activities and
// child workflows that wrap it.
func innermost(err error) (found *temporal.ApplicationError) {
	for err != nil {
		if e, ok := errors.AsType[*temporal.ApplicationError](err); ok {
			found, err = e, errors.Unwrap(e)
			continue
		}
		return found
	}
	return found
}

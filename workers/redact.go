package main

import (
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/cogniverse/cogflow/safetext"
)

// failures converts every error of an activity, workflow, update or query before it enters a
// history. It redacts the message and makes it valid UTF-8: a task with an invalid message
// would fail for ever.
type failures struct {
	converter.FailureConverter
	redactor *safetext.Redactor
}

func newFailures(r *safetext.Redactor) failures {
	return failures{temporal.GetDefaultFailureConverter(), r}
}

// ErrorToFailure implements converter.FailureConverter.
func (f failures) ErrorToFailure(err error) *failure.Failure {
	out := f.FailureConverter.ErrorToFailure(err)
	if out == nil {
		return nil
	}
	out = proto.CloneOf(out) // out may be the failure inside the error
	for one := out; one != nil; one = one.GetCause() {
		one.Message = f.redactor.Lines(one.GetMessage(), safetext.MaxMessage)
		one.StackTrace = f.redactor.Lines(one.GetStackTrace(), 4*safetext.MaxMessage)
	}
	return out
}

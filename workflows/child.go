package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// IDTaken is why a child cannot be: its result would not be that of this run.
func IDTaken(stage, id string) *video.Failure {
	return &video.Failure{
		Stage: stage, Class: string(fault.Input),
		Reason: "a workflow that this run, or one of its tenant before it, did not start has the id " + id + "; start this run again under another id",
	}
}

// FailureOf reads the failure that a child returned; one without details is of a stage.
func FailureOf(stage string, err error) *video.Failure {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok && app.HasDetails() {
		var f video.Failure
		if app.Details(&f) == nil && f.Class != "" {
			return &f
		}
	}
	return &video.Failure{Stage: stage, Class: orInternal(ClassOf(err)), Reason: Reason(err)}
}

func orInternal(class string) string {
	if class == "" {
		return "internal"
	}
	return class
}

// MaxWorkflowID is what a server takes, in bytes.
const MaxWorkflowID = 1000

// CheckChildID refuses the id of a run whose children would have one that is too long:
// the server refuses the workflow task that starts them, again and again.
func CheckChildID(id string) error {
	if len(id) > MaxWorkflowID {
		return fault.New(fault.Input, "start", "workflow id", fmt.Sprintf(
			"its children would have ids of %d bytes, and the server takes %d; start it under a shorter id", len(id), MaxWorkflowID))
	}
	return nil
}

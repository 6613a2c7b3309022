package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// IDTaken is the failure of a child whose workflow id another workflow uses.
func IDTaken(stage, id string) *video.Failure {
	return &video.Failure{
		Stage: stage, Class: string(fault.Input),
		Reason: "a workflow that this run, or one of its tenant before it, did not start has the id " + id + "; start this run again under another id",
	}
}

// FailureOf reads the failure that a child returned. One without details is reported for
// stage.
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

// MaxWorkflowID is the server's limit for a workflow id, in bytes.
const MaxWorkflowID = 1000

// CheckChildID refuses a workflow id from which the ids of children would be too long. The
// server would fail the workflow task that starts them, again and again.
func CheckChildID(id string) error {
	if len(id) > MaxWorkflowID {
		return fault.New(fault.Input, "start", "workflow id", fmt.Sprintf(
			"its children would have ids of %d bytes, and the server takes %d; start it under a shorter id", len(id), MaxWorkflowID))
	}
	return nil
}

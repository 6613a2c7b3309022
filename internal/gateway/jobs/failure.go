package jobs

import (
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/submit"
)

// advice is what a caller can do about a failed job.
func advice(class string) string {
	const again = "Start the same job again: stored results are not paid for again."
	switch class {
	case submit.ClassTimeout, submit.ClassCancelled, submit.ClassTerminated:
		return again
	}
	switch fault.Class(class) {
	case fault.Input:
		return "Fix the named problem and start again; a retry without a change fails in the same way."
	case fault.Auth:
		return "The credentials of the workers are wrong: ask their operator, then start again."
	case fault.Capacity:
		return "Free disk space, or start a worker of that class. " + again
	case fault.Overload, fault.Transport, fault.Preempted:
		return again
	case fault.Budget:
		return "Start again with a higher budget_usd, or have the shared budget raised."
	}
	return ""
}

// refusal is the error of an update: what its validator says concerns the caller.
func refusal(name string, err error) error {
	if _, message, ok := submit.Cause(err); ok {
		return api.BadField(name, message)
	}
	return err
}

package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"go.temporal.io/api/serviceerror"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/safetext"
)

// Failure is an error with the advice that the command line shows.
type Failure struct {
	Class   string `json:"class,omitempty"`
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"` // what to do
}

func (f Failure) String() string {
	text := safetext.Clean(f.Message)
	if f.Class != "" {
		text = safetext.Clean(f.Class) + " error: " + text
	}
	if f.Advice != "" {
		text += "\n" + f.Advice
	}
	return text
}

// Explain calls the function Explain and replaces ID in the advice by the id of the job.
func (a *App) Explain(err error) Failure {
	f := Explain(err)
	if a.About != "" {
		f.Advice = strings.ReplaceAll(f.Advice, " ID", " "+safetext.Clean(a.About))
	}
	return f
}

// Explain converts an error of a command or a workflow to a message and advice.
func Explain(err error) Failure {
	if class, message, ok := submit.Cause(err); ok {
		return Failure{Class: class, Message: message, Advice: advice(class)}
	}
	if missing, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		message := missing.Message
		if id, ok := strings.CutPrefix(message, "workflow not found for ID: "); ok {
			message = "no job has the id " + strconv.Quote(id)
		}
		return Failure{Message: message, Advice: "`cogflow list` shows the jobs; the server deletes old jobs after their retention period."}
	}
	if missing, ok := errors.AsType[*serviceerror.NamespaceNotFound](err); ok {
		return Failure{Message: missing.Error(), Advice: "Create the namespace, or select another with --namespace or TEMPORAL_NAMESPACE."}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Failure{Message: "the Temporal server did not answer in time: " + err.Error()}
	}
	return Failure{Message: err.Error()}
}

func advice(class string) string {
	switch class {
	case submit.ClassTimeout:
		return "Find the step with cogflow status ID, then run cogflow redrive ID."
	case submit.ClassCancelled, submit.ClassTerminated:
		return "cogflow redrive ID completes it."
	}
	switch fault.Class(class) {
	case fault.Input:
		return "Fix the named problem and start again; a retry without a change fails in the same way."
	case fault.Auth:
		return "Set the named credentials of the worker, then start again."
	case fault.Capacity:
		return "Free disk space, or start a worker of that class, then run cogflow redrive ID."
	case fault.Overload, fault.Transport, fault.Preempted:
		return "A retry can help: cogflow redrive ID. Stored results are not paid for again."
	case fault.Budget:
		return "Raise the limit with cogflow tune ID --budget USD, or start with a higher --budget."
	default:
		return ""
	}
}

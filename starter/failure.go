package main

import (
	"context"
	"errors"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

// failure is an error in words.
type failure struct {
	Class   string `json:"class,omitempty"`
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"` // what to do
}

func (f failure) String() string {
	text := safetext.Clean(f.Message)
	if f.Class != "" {
		text = safetext.Clean(f.Class) + " error: " + text
	}
	if f.Advice != "" {
		text += "\n" + f.Advice
	}
	return text
}

// explain is explain with the job that is spoken of in the advice.
func (a *App) explain(err error) failure {
	f := explain(err)
	if a.About != "" {
		f.Advice = strings.ReplaceAll(f.Advice, " ID", " "+safetext.Clean(a.About))
	}
	return f
}

// explain puts an error of a command or a workflow into words.
func explain(err error) failure {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return failure{Class: string(f.Class), Message: f.Error(), Advice: advice(f.Class)}
	}
	if timeout, ok := errors.AsType[*temporal.TimeoutError](err); ok && innermost(err) == nil {
		return failure{Class: "timeout", Message: timeout.Error(), Advice: "See cogflow status ID for the step that hung, then cogflow redrive ID."}
	}
	if application := innermost(err); application != nil {
		class := fault.Class(application.Type())
		return failure{Class: application.Type(), Message: application.Message(), Advice: advice(class)}
	}
	if _, ok := errors.AsType[*temporal.CanceledError](err); ok {
		return failure{Class: "cancelled", Message: "the job was cancelled", Advice: "cogflow redrive ID finishes it."}
	}
	if _, ok := errors.AsType[*temporal.TerminatedError](err); ok {
		return failure{Class: "terminated", Message: "the job was terminated", Advice: "cogflow redrive ID finishes it."}
	}
	if missing, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return failure{Message: missing.Message, Advice: "cogflow list shows what there is."}
	}
	if missing, ok := errors.AsType[*serviceerror.NamespaceNotFound](err); ok {
		return failure{Message: missing.Error(), Advice: "Create the namespace, or name another in TEMPORAL_NAMESPACE."}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return failure{Message: "the Temporal server did not answer in time: " + err.Error()}
	}
	return failure{Message: err.Error()}
}

// innermost returns the deepest application error: activities and children
// wrap what went wrong.
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

func advice(c fault.Class) string {
	switch c {
	case fault.Input:
		return "Correct what it names and start again; trying the same again cannot help."
	case fault.Auth:
		return "Give the worker the credentials it names, then start again."
	case fault.Capacity:
		return "Make room (disk, or a worker of that class), then cogflow redrive ID."
	case fault.Overload, fault.Transport, fault.Preempted:
		return "Trying again can help: cogflow redrive ID. What was stored is not paid for twice."
	case fault.Budget:
		return "Raise the limit with cogflow tune ID --budget USD, or start with a higher --budget."
	default:
		return ""
	}
}

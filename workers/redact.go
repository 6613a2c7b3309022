package main

import (
	"net/url"

	"go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/safetext"
)

// keyVariables are read by libraries from the environment of a worker.
func keyVariables() []string {
	return []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "TEMPORAL_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
		"OPENAI_API_KEY", "ANTHROPIC_API_KEY",
	}
}

// newRedactor knows every key that this worker holds and the address of every
// service that its configuration names.
func newRedactor(c config.Config, getenv func(string) string) *safetext.Redactor {
	var keys, services []string
	add := func(variable, service string) {
		if variable != "" {
			keys = append(keys, getenv(variable))
		}
		services = append(services, service)
	}
	for _, e := range append(c.Chat(), c.Endpoints...) {
		add(e.KeyVariable, e.URL)
	}
	for _, s := range c.Training.Serving {
		add(s.KeyVariable, s.URL)
	}
	if c.Vespa != nil {
		services = append(services, c.Vespa.URL, c.Vespa.ConfigURL)
	}
	for _, place := range []string{c.Store, "?" + c.FetchS3} {
		if u, err := url.Parse(place); err == nil {
			services = append(services, u.Query().Get("endpoint"))
		}
	}
	for _, name := range keyVariables() {
		keys = append(keys, getenv(name))
	}
	return safetext.NewRedactor(keys, services)
}

// failures is the last door to a history: whatever an error of an activity, a
// workflow, an update or a query says comes through here. A message that is not
// valid UTF-8 would make the task fail for ever.
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
	out = proto.CloneOf(out) // it may be that of the error itself
	for one := out; one != nil; one = one.GetCause() {
		one.Message = f.redactor.Lines(one.GetMessage(), safetext.MaxMessage)
		one.StackTrace = f.redactor.Lines(one.GetStackTrace(), 4*safetext.MaxMessage)
	}
	return out
}

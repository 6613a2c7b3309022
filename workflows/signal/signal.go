// Package signal decodes signals and the arguments of updates. An invalid signal is
// noted and never fails a run. It does not know what a signal does.
package signal

import (
	"errors"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/strictjson"
)

// Anyone who reaches the server can signal a run. A signal with an invalid payload is
// ignored with a note: it must not fail the run, or fail a workflow task that is then
// retried for ever.

// Log records the invalid signals of a run.
type Log struct {
	Ignored string                     // the last signal whose payload was invalid, and why; empty = none
	Show    func(ctx workflow.Context) // renders the current details
}

// On handles each signal of a name until the run ends. One whose payload is missing,
// malformed or refused by handle is ignored, with a note.
func On[T any](ctx workflow.Context, l *Log, name string, handle func(workflow.Context, T) error) {
	workflow.GoNamed(ctx, name, func(ctx workflow.Context) {
		for {
			var raw converter.RawValue
			if !workflow.GetSignalChannel(ctx, name).Receive(ctx, &raw) {
				return
			}
			payload := read[T](raw)
			err := payload.Problem()
			if err == nil {
				err = handle(ctx, payload.Value)
			}
			if err != nil {
				l.Ignored = safetext.Line(name+": "+err.Error(), safetext.MaxReason)
				l.Show(ctx)
			}
		}
	})
}

// OnName handles each signal of a name without a payload. A payload is ignored.
func OnName(ctx workflow.Context, name string, handle func(workflow.Context)) {
	workflow.GoNamed(ctx, name, func(ctx workflow.Context) {
		for workflow.GetSignalChannel(ctx, name).Receive(ctx, new(converter.RawValue)) {
			handle(ctx)
		}
	})
}

// read decodes the payload of a signal; nil = it has none.
func read[T any](raw converter.RawValue) (g Given[T]) {
	p := raw.Payload()
	if p == nil || string(p.GetMetadata()[converter.MetadataEncoding]) == converter.MetadataEncodingNil {
		return g
	}
	if string(p.GetMetadata()[converter.MetadataEncoding]) != converter.MetadataEncodingJSON {
		g.invalid = errors.New("the payload must be JSON")
		return g
	}
	_ = g.UnmarshalJSON(p.GetData()) // it keeps its error
	return g
}

// Given is the value of a signal or an update. A missing value, or null, is not the zero
// value: a budget of 0 removes the limit.
type Given[T any] struct {
	Value   T
	said    bool
	invalid error
}

// UnmarshalJSON decodes by exact names; a newer build may send more of them. It keeps the
// error, so that the code that checks the value reports it with a class.
func (g *Given[T]) UnmarshalJSON(data []byte) error {
	*g = Given[T]{}
	if string(data) == "null" {
		return nil
	}
	g.invalid = strictjson.Unmarshal(data, &g.Value, strictjson.AllowUnknown)
	g.said = g.invalid == nil
	return nil
}

// Problem returns why the value is invalid; nil = it is valid.
func (g *Given[T]) Problem() error {
	if g.invalid == nil && !g.said {
		return errors.New("a value is required")
	}
	return g.invalid
}

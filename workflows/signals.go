package workflows

import (
	"errors"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/bounds"
)

// Anyone who reaches the server can signal a run. A signal whose payload is invalid
// changes nothing but a note that people see: it must neither fail the run nor,
// by a number that no code expects, a workflow task, which would be tried for ever.

// signals is what a run remembers of the signals that it takes.
type signals struct {
	ignored string                     // the last one whose payload was invalid, and why; empty = none
	show    func(ctx workflow.Context) // renders the current details
}

func (s *signals) note() string {
	if s.ignored == "" {
		return ""
	}
	return "\nAn invalid signal was ignored: " + cell(s.ignored) + "\n"
}

// on handles each signal of a name until the run ends. One whose payload is missing,
// is not what its name says, or is refused by handle is ignored, with a note.
func on[T any](ctx workflow.Context, s *signals, name string, handle func(workflow.Context, T) error) {
	workflow.GoNamed(ctx, name, func(ctx workflow.Context) {
		for {
			var raw converter.RawValue
			if !workflow.GetSignalChannel(ctx, name).Receive(ctx, &raw) {
				return
			}
			payload := read[T](raw)
			err := payload.problem()
			if err == nil {
				err = handle(ctx, payload.value)
			}
			if err != nil {
				s.ignored = safetext.Line(name+": "+err.Error(), safetext.MaxReason)
				s.show(ctx)
			}
		}
	})
}

// onName handles each signal that says all by its name. A payload is not looked at.
func onName(ctx workflow.Context, name string, handle func(workflow.Context)) {
	workflow.GoNamed(ctx, name, func(ctx workflow.Context) {
		for workflow.GetSignalChannel(ctx, name).Receive(ctx, new(converter.RawValue)) {
			handle(ctx)
		}
	})
}

// read decodes the payload of a signal; nil = it has none.
func read[T any](raw converter.RawValue) (g given[T]) {
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

// given is what a signal or an update says. Nothing said, or null, is not the zero
// value: a budget of 0 is no limit.
type given[T any] struct {
	value   T
	said    bool
	invalid error
}

// UnmarshalJSON decodes by exact names; a newer build may send more of them. It
// keeps the error, so that whoever checks the value reports it with a class.
func (g *given[T]) UnmarshalJSON(data []byte) error {
	*g = given[T]{}
	if string(data) == "null" {
		return nil
	}
	g.invalid = strictjson.Unmarshal(data, &g.value, strictjson.AllowUnknown)
	g.said = g.invalid == nil
	return nil
}

func (g *given[T]) problem() error {
	if g.invalid == nil && !g.said {
		return errors.New("a value is required")
	}
	return g.invalid
}

// validBudget checks the argument of the update set_budget.
func validBudget(usd given[float64]) error {
	if err := usd.problem(); err != nil {
		return typed(fault.Wrap(fault.Input, "set budget", "", err))
	}
	return typed(checkBudget(usd.value))
}

func checkBudget(usd float64) error {
	return fault.Wrap(fault.Input, "set budget", "", money.CheckLimit(usd))
}

// check bounds how a video ended. What is believed here is handed on at
// continue-as-new and written to the report.
func (d *VideoDone) check() error {
	r := d.Result
	switch {
	case !bounds.Counts(r.Frames, r.Documents, r.Removed, r.Duplicates, r.DecodeErrors, r.Refused, r.DescribeCalls, r.RepeatedCalls),
		!bounds.Amounts(r.CostUSD):
		return errors.New("a count is out of range")
	case d.Failure != nil:
		f := video.Failure{
			URI: d.Failure.URI, Stage: safetext.Line(d.Failure.Stage, safetext.MaxReason),
			Class: safetext.Line(d.Failure.Class, safetext.MaxReason), Reason: safetext.Line(d.Failure.Reason, safetext.MaxReason),
		}
		d.Failure = &f
		return nil
	case r.Status != video.StatusIndexed && r.Status != video.StatusUnchanged:
		return errors.New("the status must be indexed or unchanged")
	}
	_, err := video.ParseID(r.Video)
	return err
}

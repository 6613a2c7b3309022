package workflows

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/bounds"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// validBudget checks the argument of the update set_budget.
func validBudget(usd signal.Given[float64]) error {
	if err := usd.Problem(); err != nil {
		return typed(fault.Wrap(fault.Input, "set budget", "", err))
	}
	return typed(checkBudget(usd.Value))
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

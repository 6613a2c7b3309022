package train

import (
	"errors"
	"slices"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/workflows"
)

// nextClass moves to the next class when no worker of the current one took the task in
// time.
func (r *trainRun) nextClass(err error) bool {
	return late(err) && r.advance()
}

// late reports whether no worker took an activity in time.
func late(err error) bool {
	timeout, ok := errors.AsType[*temporal.TimeoutError](err)
	return ok && timeout.TimeoutType() == enums.TIMEOUT_TYPE_SCHEDULE_TO_START
}

// biggerClass moves to the next class when not even one row at a time fits.
func (r *trainRun) biggerClass() error {
	class := r.class().Class
	r.Tally.MicroBatch, r.Tally.Accumulation = 0, 0
	if !r.advance() {
		return workflows.Typed(fault.New(fault.Input, "train", r.in.Name,
			"not even one row at a time fits the memory of "+class+", and no larger class is listed in gpu; "+
				"add one, or lower max_seq_length or lora.r"))
	}
	return nil
}

// following is the next class that the estimate does not rule out; -1 = none.
func (r *trainRun) following() int {
	for next := r.Class + 1; next < len(r.Plan.Estimate.Classes); next++ {
		if usable(r.Plan.Estimate.Classes[next]) {
			return next
		}
	}
	return -1
}

// advance moves to the following class.
func (r *trainRun) advance() bool {
	next := r.following()
	if next >= 0 {
		r.Class = next
	}
	return next >= 0
}

// class is the current class; at first the first usable one. A plan without one is refused
// earlier.
func (r *trainRun) class() estimate.ClassEstimate {
	if !usable(r.Plan.Estimate.Classes[r.Class]) {
		r.Class = slices.IndexFunc(r.Plan.Estimate.Classes, usable)
	}
	return r.Plan.Estimate.Classes[r.Class]
}

func usable(c estimate.ClassEstimate) bool { return c.Fits && c.WithinBudget }

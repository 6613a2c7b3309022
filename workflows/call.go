package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// call runs an activity. The plain SDK call takes any input; this one does not
// compile with the wrong one.
func call[In, Out any](ctx workflow.Context, activity func(context.Context, In) (Out, error), in In) (Out, error) {
	var out Out
	err := workflow.ExecuteActivity(ctx, activity, in).Get(ctx, &out)
	return out, err
}

// do runs an activity that returns nothing but an error.
func do[In any](ctx workflow.Context, activity func(context.Context, In) error, in In) error {
	return workflow.ExecuteActivity(ctx, activity, in).Get(ctx, nil)
}

// callOnClass runs a model activity on the first GPU class that has a worker.
func callOnClass[In, Out any](ctx workflow.Context, c caller, stem string, classes []string, wait time.Duration,
	summary string, activity func(context.Context, In) (Out, error), in In,
) (Out, error) {
	last := len(classes) - 1
	for _, class := range classes[:last] {
		out, err := call(c.model(ctx, stem, class, summary+" on "+class, wait), activity, in)
		timeout, ok := errors.AsType[*temporal.TimeoutError](err)
		if !ok || timeout.TimeoutType() != enums.TIMEOUT_TYPE_SCHEDULE_TO_START {
			return out, err
		}
	}
	return call(c.model(ctx, stem, classes[last], summary, 0), activity, in)
}

// typed turns a fault found by a workflow itself into Temporal's error, as
// activities/errors.go does for those of activities.
func typed(err error) error {
	if class := fault.ClassOf(err); class != "" {
		return temporal.NewNonRetryableApplicationError(safetext.Lines(err.Error(), safetext.MaxMessage), string(class), nil)
	}
	return err
}

// classOf returns the class of an error that came through Temporal.
func classOf(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Type()
	}
	if temporal.IsCanceledError(err) {
		return "canceled"
	}
	if temporal.IsTimeoutError(err) {
		return string(fault.Transport)
	}
	return ""
}

// reason is the innermost message: the outer ones repeat what the history says.
func reason(err error) string {
	text := err.Error()
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		text = app.Message()
	}
	return safetext.Line(text, safetext.MaxReason)
}

// staged says in which stage a run failed. The class and message stay readable
// for whoever catches it: a person, a library or an agent in another language.
func staged(stage string, err error) error {
	if temporal.IsCanceledError(err) {
		return err
	}
	class := classOf(err)
	if class == "" {
		class = "internal"
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("%s: %s", stage, reason(err)), class, nil, video.Failure{
			Stage: stage, Class: class, Reason: reason(err),
		})
}

// ended makes a run that was asked to stop end as cancelled, whatever the step
// that was interrupted says.
func ended(ctx workflow.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// chain identifies a run across continue-as-new.
func chain(ctx workflow.Context) string {
	info := workflow.GetInfo(ctx)
	if info.FirstRunID == "" { // a test environment has no chains
		return info.WorkflowExecution.RunID
	}
	return info.FirstRunID
}

// yield lets everything else in this run go as far as it can. A signal that has
// arrived is then handled: the SDK may have handed it to its waiting coroutine,
// where nobody else finds it, before that coroutine had its turn.
func yield(ctx workflow.Context) error {
	last := false
	workflow.Go(ctx, func(workflow.Context) { last = true })
	return workflow.Await(ctx, func() bool { return last })
}

// settleDown comes before continue-as-new: what has arrived is handled by this
// run, and a cancellation is not left behind with it.
func settleDown(ctx workflow.Context) error {
	if err := yield(ctx); err != nil {
		return err
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	return ctx.Err()
}

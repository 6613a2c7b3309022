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
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// Call runs an activity. Unlike the SDK's call it is typed: an input of the wrong type does
// not compile.
func Call[In, Out any](ctx workflow.Context, activity func(context.Context, In) (Out, error), in In) (Out, error) {
	var out Out
	err := workflow.ExecuteActivity(ctx, activity, in).Get(ctx, &out)
	return out, err
}

// Do runs an activity that returns nothing but an error.
func Do[In any](ctx workflow.Context, activity func(context.Context, In) error, in In) error {
	return workflow.ExecuteActivity(ctx, activity, in).Get(ctx, nil)
}

// unservedFor is how long a run does not try a class again that had no worker, in waits: at most a sixth of
// its time is spent on such waits.
const unservedFor = 5

// CallOnClass runs a model activity on the first GPU class that has a worker. A class that had none
// is passed over for a while: a video has many chunks, and each would wait for it again.
func CallOnClass[In, Out any](ctx workflow.Context, c Caller, stem string, classes []string, wait time.Duration,
	summary string, activity func(context.Context, In) (Out, error), in In,
) (Out, error) {
	last := len(classes) - 1
	for _, class := range classes[:last] {
		queue := ClassQueue(stem, class)
		if c.passesOver(ctx, queue, wait) {
			continue
		}
		out, err := Call(c.model(ctx, stem, class, summary+" on "+class, wait), activity, in)
		timeout, ok := errors.AsType[*temporal.TimeoutError](err)
		if !ok || timeout.TimeoutType() != enums.TIMEOUT_TYPE_SCHEDULE_TO_START {
			delete(c.unserved, queue)
			return out, err
		}
		c.unserved[queue] = workflow.Now(ctx)
	}
	return Call(c.model(ctx, stem, classes[last], summary, 0), activity, in)
}

// passesOver reports whether a queue had no worker a short time ago. Runs in which an earlier build has
// met such a queue go on as they began; only runs that meet one have a marker in their history.
func (c Caller) passesOver(ctx workflow.Context, queue string, wait time.Duration) bool {
	since, met := c.unserved[queue]
	return met && workflow.Now(ctx).Sub(since) < unservedFor*wait &&
		workflow.GetVersion(ctx, "unserved-classes", workflow.DefaultVersion, 1) >= 1
}

// Typed turns a fault found by a workflow itself into Temporal's error, as
// activities/errors.go does for those of activities.
func Typed(err error) error {
	if class := fault.ClassOf(err); class != "" {
		return temporal.NewNonRetryableApplicationError(safetext.Lines(err.Error(), safetext.MaxMessage), string(class), nil)
	}
	return err
}

// ClassOf returns the class of an error that came through Temporal.
func ClassOf(err error) string {
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

// BlockedBy returns the shared budget that an activity was blocked by; nil = none, or a former
// build does not say it.
func BlockedBy(err error) *money.Blocked {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.Type() != string(fault.Budget) || !app.HasDetails() {
		return nil
	}
	var by money.Blocked
	if err := app.Details(&by); err == nil && by.Budget.Check() == nil {
		return &by
	}
	return nil
}

// Reason is the innermost message: the outer ones repeat what the history says.
func Reason(err error) string {
	text := err.Error()
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		text = app.Message()
	}
	return safetext.Line(text, safetext.MaxReason)
}

// Staged says in which stage a run failed. The class and message stay readable
// for whoever catches it: a person, a library or an agent in another language.
func Staged(stage string, err error) error {
	if temporal.IsCanceledError(err) {
		return err
	}
	class := ClassOf(err)
	if class == "" {
		class = "internal"
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("%s: %s", stage, Reason(err)), class, nil, video.Failure{
			Stage: stage, Class: class, Reason: Reason(err),
		})
}

// StagedIf is Staged for an error that may be nil.
func StagedIf(stage string, err error) error {
	if err == nil {
		return nil
	}
	return Staged(stage, err)
}

// Ended makes a run that was cancelled end as cancelled, whatever error the interrupted
// step returned.
func Ended(ctx workflow.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

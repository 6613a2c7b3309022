package job

import (
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows"
)

// Chain identifies a run across continue-as-new.
func Chain(ctx workflow.Context) string {
	info := workflow.GetInfo(ctx)
	if info.FirstRunID == "" { // a test environment has no chains
		return info.WorkflowExecution.RunID
	}
	return info.FirstRunID
}

// Yield lets all other coroutines of this run go as far as they can, so that a signal that
// has arrived is handled. The SDK may have handed it to its waiting coroutine, which did
// not run yet; the next run would not see it.
func Yield(ctx workflow.Context) error {
	last := false
	workflow.Go(ctx, func(workflow.Context) { last = true })
	return workflow.Await(ctx, func() bool { return last })
}

// settleDown runs before continue-as-new: signals that have arrived are handled by this
// run, and a cancellation is not lost.
func settleDown(ctx workflow.Context) error {
	if err := Yield(ctx); err != nil {
		return err
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	return ctx.Err()
}

// MustContinue reports whether the history is long enough for one run.
func MustContinue(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > workflows.MaxEvents
}

// ContinueAsNew continues as new with the input that next returns, after everything that
// has arrived is handled. A cancellation is not lost.
func ContinueAsNew(ctx workflow.Context, next func() any) error {
	if err := settleDown(ctx); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, next())
}

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

// Yield lets everything else in this run go as far as it can. A signal that has
// arrived is then handled: the SDK may have handed it to its waiting coroutine,
// where nobody else finds it, before that coroutine had its turn.
func Yield(ctx workflow.Context) error {
	last := false
	workflow.Go(ctx, func(workflow.Context) { last = true })
	return workflow.Await(ctx, func() bool { return last })
}

// settleDown comes before continue-as-new: what has arrived is handled by this
// run, and a cancellation is not left behind with it.
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

// ContinueAsNew goes on in a new run with what next says when all that has arrived is
// handled. A cancellation is not left behind.
func ContinueAsNew(ctx workflow.Context, next func() any) error {
	if err := settleDown(ctx); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, next())
}

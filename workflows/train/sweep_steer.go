package train

import (
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// listen answers queries and forwards signals to the runs of a sweep.
func (r *sweepRun) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, workflows.QueryProgress, func() (SweepResult, error) { return r.result(), nil },
		workflow.QueryHandlerOptions{Description: "The runs of the sweep and their results so far"})
	if err != nil {
		return err
	}
	r.running = make([]workflow.ChildWorkflowFuture, len(r.runs))
	signal.OnName(ctx, workflows.SignalPause, func(ctx workflow.Context) { r.steer(ctx, workflows.SignalPause) })
	signal.OnName(ctx, workflows.SignalResume, func(ctx workflow.Context) { r.steer(ctx, workflows.SignalResume) })
	signal.OnName(ctx, workflows.SignalStop, func(ctx workflow.Context) { r.steer(ctx, workflows.SignalStop) })
	return nil
}

// steer takes a signal and forwards it to the runs in progress. The first build took none,
// so a signal in a history of that build changes nothing.
func (r *sweepRun) steer(ctx workflow.Context, name string) {
	if workflow.GetVersion(ctx, "sweep-takes-signals", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	switch name {
	case workflows.SignalPause, workflows.SignalResume:
		r.paused = name == workflows.SignalPause
	case workflows.SignalStop:
		r.stopped = true
	}
	for _, future := range r.running {
		if future != nil {
			future.SignalChildWorkflow(ctx, name, nil) // one that has ended needs none
		}
	}
	r.show(ctx)
}

// begun records that a run is in progress. It may have been requested before a later pause
// or stop.
func (r *sweepRun) begun(ctx workflow.Context, i int, future workflow.ChildWorkflowFuture) {
	if future.GetChildWorkflowExecution().Get(ctx, nil) != nil {
		return
	}
	r.running[i] = future
	if r.paused {
		future.SignalChildWorkflow(ctx, workflows.SignalPause, nil)
	}
	if r.stopped {
		future.SignalChildWorkflow(ctx, workflows.SignalStop, nil)
	}
}

// mayStart waits until the next run may start. It returns false if no further run is to
// start.
func (r *sweepRun) mayStart(ctx workflow.Context) bool {
	err := workflow.Await(ctx, func() bool { return !r.paused || r.stopped })
	return err == nil && !r.stopped
}

// leaveOut skips the runs that a stopped sweep does not start.
func (r *sweepRun) leaveOut(from int) {
	for i := from; i < len(r.runs); i++ {
		r.runs[i].Failure = &video.Failure{
			Stage: stageTrain, Class: "canceled", Reason: "the sweep was stopped before this run began; cogflow redrive starts it",
		}
	}
}

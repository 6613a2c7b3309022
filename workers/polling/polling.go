// Package polling holds the options with which workers take tasks from the server. The programs
// of workers and the tests of whole fleets share them. It knows no pool.
package polling

import (
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/config/drain"
)

const (
	// throttle bounds the delay of a cancellation.
	throttle = 2 * time.Second
	// most pollers of a queue; the SDK starts as many as there is work for.
	most = 16
)

// Queue is a task queue as one worker serves it.
type Queue struct {
	Slots     int                // concurrent activities
	Tuner     worker.WorkerTuner // decides about slots; nil = Slots
	Plugins   []worker.Plugin
	Workflows bool                              // it has workflow tasks, too
	Grace     time.Duration                     // for running activities when the worker drains
	Bound     func(time.Duration) time.Duration // shortens the grace when the worker drains; nil = not
	Build     string                            // version of the worker
	Fatal     func(error)                       // called when the worker can poll no longer
}

// Options are the options of a worker of the queue.
func Options(q Queue) worker.Options {
	if q.Tuner != nil {
		q.Slots = 0 // the SDK takes one of them
	}
	return worker.Options{
		MaxConcurrentActivityExecutionSize: q.Slots,
		Tuner:                              q.Tuner,
		Plugins:                            q.Plugins,
		ActivityTaskPollerBehavior:         worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{MaximumNumberOfPollers: most}),
		WorkflowTaskPollerBehavior:         worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{MaximumNumberOfPollers: most}),
		DisableWorkflowWorker:              !q.Workflows,
		WorkerStopTimeout:                  q.Grace + drain.ReportGrace,
		MaxHeartbeatThrottleInterval:       throttle,
		DefaultHeartbeatThrottleInterval:   throttle,
		Interceptors:                       activities.Interceptors(q.Grace, q.Bound),
		OnFatalError:                       q.Fatal,
		// For cogflow pools. Runs are not pinned to a build.
		DeploymentOptions: worker.DeploymentOptions{Version: worker.WorkerDeploymentVersion{DeploymentName: "cogflow", BuildID: q.Build}},
	}
}

package cli

import (
	"context"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

// unservedAfter is the time without a worker after which a message is shown. unservedEvery is
// the interval between checks. A worker counts as alive for pollerAlive after its last poll,
// because a long poll takes a minute.
const (
	unservedAfter = 3 * time.Second
	unservedEvery = 10 * time.Second
	pollerAlive   = 70 * time.Second
)

// Pool is the state of one task queue and its workers.
type Pool struct {
	Queue   string  `json:"queue"`
	Workers int     `json:"workers"`
	Backlog int64   `json:"backlog"`          // tasks that wait for a worker
	Oldest  float64 `json:"oldest_s"`         // age of the oldest of them
	Rate    float64 `json:"tasks_per_minute"` // that workers took, over the last 30 s

	Builds []string `json:"builds,omitempty"` // of the workers; workers of earlier builds do not say theirs
}

// WatchQueues sends a note when no worker serves workflows, and another when a worker serves
// them again.
func (a *App) WatchQueues(ctx context.Context, c client.Client, notes chan<- string) {
	timer := time.NewTimer(unservedAfter)
	defer timer.Stop()
	for missing := false; ; timer.Reset(unservedEvery) {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		p, err := a.AskPool(ctx, c, workflows.QueueMain, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil || (p.Workers == 0) == missing {
			continue
		}
		missing = p.Workers == 0
		text := "A worker serves the task queue " + workflows.QueueMain + " now."
		if missing {
			text = "No worker serves the task queue " + workflows.QueueMain + ": the job waits. `make up` starts a worker here."
		}
		select {
		case notes <- text:
		case <-ctx.Done():
			return
		}
	}
}

// AskPool counts the workers that polled a queue recently and the waiting tasks.
func (a *App) AskPool(ctx context.Context, c client.Client, queue string, kind enumspb.TaskQueueType) (Pool, error) {
	r, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: a.Where.Namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, TaskQueueType: kind, ReportStats: true,
	})
	if err != nil {
		return Pool{}, err
	}
	seen, builds := map[string]bool{}, map[string]bool{}
	for _, p := range r.GetPollers() {
		if time.Since(p.GetLastAccessTime().AsTime()) < pollerAlive {
			seen[p.GetIdentity()] = true
			if build := p.GetDeploymentOptions().GetBuildId(); build != "" {
				builds[build] = true
			}
		}
	}
	out := Pool{Queue: queue, Workers: len(seen), Builds: slices.Sorted(maps.Keys(builds))}
	if stats := r.GetStats(); stats != nil {
		out.Backlog, out.Rate = stats.GetApproximateBacklogCount(), 60*float64(stats.GetTasksDispatchRate())
		if out.Backlog > 0 {
			out.Oldest = stats.GetApproximateBacklogAge().AsDuration().Seconds()
		}
	}
	return out, nil
}

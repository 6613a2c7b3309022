package main

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

// How long a queue may be without a worker before people are told, how often
// that is looked at again, and how long after its last poll a worker is
// believed to live: a long poll takes a minute.
const (
	unservedAfter = 3 * time.Second
	unservedEvery = 10 * time.Second
	pollerAlive   = 70 * time.Second
)

// watchQueues says when no worker takes workflows, and when one does again.
func (a *app) watchQueues(ctx context.Context, c client.Client, notes chan<- string) {
	timer := time.NewTimer(unservedAfter)
	defer timer.Stop()
	for told := false; ; timer.Reset(unservedEvery) {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		p, err := a.askPool(ctx, c, workflows.QueueMain, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil || (p.Workers == 0) == told {
			continue
		}
		told = p.Workers == 0
		text := "A worker serves the task queue " + workflows.QueueMain + " now."
		if told {
			text = "No worker serves the task queue " + workflows.QueueMain + ": the job waits. `make up` starts a worker here."
		}
		select {
		case notes <- text:
		case <-ctx.Done():
			return
		}
	}
}

// askPool counts the workers that polled a queue lately and the tasks that wait.
func (a *app) askPool(ctx context.Context, c client.Client, queue string, kind enumspb.TaskQueueType) (pool, error) {
	r, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: a.where.namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, TaskQueueType: kind, ReportStats: true,
	})
	if err != nil {
		return pool{}, err
	}
	seen := map[string]bool{}
	for _, p := range r.GetPollers() {
		if time.Since(p.GetLastAccessTime().AsTime()) < pollerAlive {
			seen[p.GetIdentity()] = true
		}
	}
	return pool{Queue: queue, Workers: len(seen), Backlog: r.GetStats().GetApproximateBacklogCount()}, nil
}

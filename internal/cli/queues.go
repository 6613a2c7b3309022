package cli

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/video"
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
	seen := map[string]bool{}
	for _, p := range r.GetPollers() {
		if time.Since(p.GetLastAccessTime().AsTime()) < pollerAlive {
			seen[p.GetIdentity()] = true
		}
	}
	out := Pool{Queue: queue, Workers: len(seen)}
	if stats := r.GetStats(); stats != nil {
		out.Backlog, out.Rate = stats.GetApproximateBacklogCount(), 60*float64(stats.GetTasksDispatchRate())
		if out.Backlog > 0 {
			out.Oldest = stats.GetApproximateBacklogAge().AsDuration().Seconds()
		}
	}
	return out, nil
}

// Pools returns the state of the queues of cogflow: all queues of the configuration and of
// the GPU classes in also, and other queues if they have workers or tasks.
func (a *App) Pools(ctx context.Context, c client.Client, also ...string) ([]Pool, error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	wanted := wantedQueues(cfg, also)
	names := slices.Clone(wanted)
	for _, name := range workflows.ActivityQueues() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	all, errs := make([]Pool, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			kind := enumspb.TASK_QUEUE_TYPE_ACTIVITY
			if name == workflows.QueueMain {
				kind = enumspb.TASK_QUEUE_TYPE_WORKFLOW
			}
			all[i], errs[i] = a.AskPool(ctx, c, name, kind)
		})
	}
	wg.Wait()
	var out []Pool
	for i, p := range all {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if i < len(wanted) || p.Workers > 0 || p.Backlog > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// wantedQueues are the queues that a configuration requires: those of the stages and GPU classes
// of its profiles, and that of prompt optimization if there is a student.
func wantedQueues(cfg config.Config, classes []string) []string {
	seen := map[string]bool{}
	profiles := cfg.Profiles()
	for _, p := range profiles {
		if p.Name == video.LocalPreview().Name && p.Name != cfg.Active() && len(profiles) > 1 {
			continue // the built-in profile does not count if the user has configured another one
		}
		for stem, stage := range map[string]video.Stage{
			workflows.StemDescribe: p.Describe, workflows.StemEmbed: p.Embed, workflows.StemTranscribe: p.Transcribe,
		} {
			if stage.Model == "" {
				continue
			}
			for _, class := range append(slices.Clone(stage.GPU), classes...) {
				seen[workflows.ClassQueue(stem, class)] = true
			}
		}
	}
	for _, class := range classes {
		seen[workflows.ClassQueue(workflows.StemTrain, class)] = true
	}
	if _, err := cfg.Student(""); err == nil {
		seen[workflows.QueueLM] = true
	}
	return append([]string{workflows.QueueMain, workflows.QueueMedia, workflows.QueueIndex}, slices.Sorted(maps.Keys(seen))...)
}

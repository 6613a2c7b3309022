// Package fleet asks Temporal which workers serve which task queues, for the features that
// show them. It keeps no list of its own and changes nothing.
package fleet

import (
	"context"
	"slices"
	"strings"
	"sync"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/workflows"
)

// Queue is one task queue with its workers.
type Queue struct {
	cli.Pool
	Class    string   `json:"class"`              // of GPUs; cpu = none
	Draining int      `json:"draining,omitempty"` // workers that take no new tasks and will end
	Notices  []string `json:"notices,omitempty"`  // which hosts will be taken away, and when
	Hosts    []string `json:"hosts,omitempty"`    // of the workers that report to the server
	// GPUs of the hosts, "8 × NVIDIA H100 80GB HBM3, 79.6 GiB"; each text once.
	GPUs []string `json:"gpus,omitempty"`
	// Slots of these workers for activities; nil: the server keeps no list of workers.
	Slots *workerlist.Slots `json:"slots,omitempty"`
}

// Fleet is what the server says of queues and workers.
type Fleet struct {
	Queues  []Queue
	Workers []workerlist.Worker
	Listed  bool // false: the server does not list workers; hosts and slots are then unknown
}

// Ask describes the queues of cogflow: those of the configuration and of the GPU classes in
// also, and other queues if they have workers or tasks.
func Ask(ctx context.Context, a *cli.App, c client.Client, also ...string) (Fleet, error) {
	cfg, err := a.Config()
	if err != nil {
		return Fleet{}, err
	}
	wanted := wantedQueues(cfg, also)
	names := slices.Clone(wanted)
	for _, name := range workflows.ActivityQueues() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	f, err := Describe(ctx, a, c, names...)
	if err != nil {
		return Fleet{}, err
	}
	kept := f.Queues[:0]
	for i, q := range f.Queues {
		if i < len(wanted) || q.Workers > 0 || q.Draining > 0 || q.Backlog > 0 {
			kept = append(kept, q)
		}
	}
	f.Queues = kept
	return f, nil
}

// Describe describes these queues, in their order.
func Describe(ctx context.Context, a *cli.App, c client.Client, names ...string) (Fleet, error) {
	all, errs := make([]cli.Pool, len(names)), make([]error, len(names))
	var out Fleet
	var listErr error
	var wg sync.WaitGroup
	wg.Go(func() { out.Workers, out.Listed, listErr = workerlist.List(ctx, c, a.Where.Namespace) })
	for i, name := range names {
		wg.Go(func() {
			all[i], errs[i] = a.AskPool(ctx, c, name, kindOf(name))
		})
	}
	wg.Wait()
	for _, err := range append(errs, listErr) {
		if err != nil {
			return Fleet{}, err
		}
	}
	for _, p := range all {
		out.Queues = append(out.Queues, out.With(p, kindOf(p.Queue)))
	}
	return out, nil
}

// kindOf is what workers of a queue are there for: those of the main queue run workflows.
func kindOf(queue string) enumspb.TaskQueueType {
	if queue == workflows.QueueMain {
		return enumspb.TASK_QUEUE_TYPE_WORKFLOW
	}
	return enumspb.TASK_QUEUE_TYPE_ACTIVITY
}

// ClassOf is the GPU class of a queue.
func ClassOf(queue string) string {
	if _, class, ok := strings.Cut(queue, "-"); ok {
		return class
	}
	return "cpu"
}

// With adds what the workers of a queue report, for its tasks of one kind.
func (f Fleet) With(p cli.Pool, kind enumspb.TaskQueueType) Queue {
	out := Queue{Pool: p, Class: ClassOf(p.Queue)}
	if !f.Listed {
		return out
	}
	out.Slots = &workerlist.Slots{}
	serving := 0
	for _, w := range f.Workers {
		if w.Queue != p.Queue {
			continue
		}
		if !slices.Contains(out.Hosts, w.Host) {
			out.Hosts = append(out.Hosts, w.Host)
		}
		if w.GPUs != "" && !slices.Contains(out.GPUs, w.GPUs) {
			out.GPUs = append(out.GPUs, w.GPUs)
		}
		slots := w.Slots
		if kind == enumspb.TASK_QUEUE_TYPE_WORKFLOW {
			slots = w.Tasks
		}
		out.Slots.Used += slots.Used
		if w.Notice != "" {
			out.Notices = append(out.Notices, w.Host+": "+w.Notice)
		}
		if w.Draining {
			out.Draining++
			continue
		}
		serving++
		out.Slots.Free += slots.Free
	}
	slices.Sort(out.Hosts)
	// A worker whose slots are all used does not poll; one that drains polled a moment ago.
	out.Workers = max(serving, out.Workers-out.Draining)
	return out
}

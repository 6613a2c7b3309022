package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/workflows"
)

// beatAge is the age of its last report after which a worker process is taken for dead. A process
// reports every 10 seconds.
const beatAge = time.Minute

// HostQueues returns the task queues of worker processes that answer questions about their hosts.
// listed is false if the server does not list workers.
func HostQueues(ctx context.Context, a *cli.App, c client.Client) (queues []string, listed bool, err error) {
	all, listed, err := List(ctx, a, c)
	if err != nil || !listed {
		return nil, listed, err
	}
	return hostQueues(all), true, nil
}

// HostQueues are the task queues of worker processes that answer questions about their hosts.
func (f Fleet) HostQueues() []string { return hostQueues(f.Workers) }

// hostQueues leaves out processes that were killed: their last report is older than that of
// others by beatAge.
func hostQueues(all []Worker) (queues []string) {
	var newest time.Time
	for _, w := range all {
		if w.Beat.After(newest) {
			newest = w.Beat
		}
	}
	for _, w := range all {
		if workflows.IsHostQueue(w.Queue) && newest.Sub(w.Beat) < beatAge && !slices.Contains(queues, w.Queue) {
			queues = append(queues, w.Queue)
		}
	}
	slices.Sort(queues)
	return queues
}

// Hosts asks worker processes about their GPUs and model servers. in has the rest of the question.
func Hosts(ctx context.Context, a *cli.App, queues []string, in workflows.ModelServersInput) (out workflows.ModelServersResult, err error) {
	if len(queues) == 0 {
		return out, nil
	}
	in.Queues = queues
	if err := cli.Normalize(&in.Common); err != nil {
		return out, err
	}
	_, err = a.Ask(ctx, cli.Job{Kind: "ListModelServers", ID: "models-" + uuid.NewString(), Common: in.Common, Summary: "ask worker processes", Input: in}, &out)
	return out, err
}

// ErrNotListed is the fault of a question that needs the list of workers.
func ErrNotListed() error {
	return fault.New(fault.Input, "find worker processes", "",
		"this Temporal server lists no workers; use version 1.29 with frontend.ListWorkersEnabled and frontend.WorkerHeartbeatsEnabled")
}

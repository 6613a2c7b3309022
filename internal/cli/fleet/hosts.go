package fleet

import (
	"context"

	"github.com/google/uuid"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/workflows"
)

// HostQueues are the task queues of worker processes that answer questions about their hosts.
func (f Fleet) HostQueues() []string { return workerlist.HostQueues(f.Workers) }

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

package fleet

import (
	"context"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/workflows"
)

// HostQueues are the task queues of worker processes that answer questions about their hosts.
func (f Fleet) HostQueues() []string { return workerlist.HostQueues(f.Workers) }

// answerIn is how long the answer about hosts may take. A worker process that does not answer is silent
// after three seconds, so only a missing worker of workflows takes longer.
var answerIn = 15 * time.Second //nolint:gochecknoglobals // a constant, except in tests

// Answers are what worker processes say about their hosts.
type Answers struct {
	workflows.ModelServersResult
	// Problem is why none could be asked, and what to do; empty = they were.
	Problem string
}

// Hosts asks worker processes about their GPUs and model servers. in has the rest of the question. It
// ends soon also when no worker lives.
func Hosts(ctx context.Context, a *cli.App, c client.Client, queues []string, in workflows.ModelServersInput) (out Answers, err error) {
	if len(queues) == 0 {
		return out, nil
	}
	in.Queues = queues
	if err := cli.Normalize(&in.Common); err != nil {
		return out, err
	}
	p, err := a.AskPool(ctx, c, workflows.QueueMain, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return out, err
	}
	if p.Workers == 0 {
		out.Problem = "no worker serves the task queue " + workflows.QueueMain + ", through which worker processes are asked; start one by `make up` or `cogflow-worker --pools cogflow`"
		return out, nil
	}
	_, err = a.Ask(ctx, cli.Job{
		Kind: "ListModelServers", ID: "models-" + uuid.NewString(), Common: in.Common, Summary: "ask worker processes", Timeout: answerIn, Input: in,
	}, &out.ModelServersResult)
	if class, _, _ := submit.Cause(err); class == submit.ClassTimeout {
		out.Problem = "no worker of the task queue " + workflows.QueueMain + " answered within " + answerIn.String() +
			"; its workers may have been killed. `cogflow pools` shows them, and `cogflow-worker --pools cogflow` starts one"
		return out, nil
	}
	return out, err
}

package jobs

import (
	"context"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/workflows"
)

// unserved is a run that no worker can take.
type unserved struct {
	execution
	Queue  string `json:"queue"`
	Reason string `json:"reason"`
}

// neverTaken lists running workflows whose first task no worker has completed, because no
// worker polls their queue or has registered their type. It omits runs of other programs in
// the namespace, which have their own workers.
func (a app) neverTaken(ctx context.Context, c client.Client) ([]unserved, error) {
	r, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: unservedLimit, Query: "ExecutionStatus = 'Running' AND ParentWorkflowId IS NULL",
	})
	if err != nil {
		return nil, err
	}
	pollers := map[string]int{}
	var out []unserved
	for _, e := range r.GetExecutions() {
		queue, kind := e.GetTaskQueue(), e.GetType().GetName()
		d, err := c.WorkflowService().DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: a.Where.Namespace, Execution: e.GetExecution(),
		})
		if err != nil {
			return nil, err
		}
		// The start and the first task are two events. If a worker has taken
		// the task, there is one more; if the task has failed, two more. Retries add no events.
		const untouched = 4
		if d.GetPendingWorkflowTask() == nil || d.GetWorkflowExecutionInfo().GetHistoryLength() > untouched {
			continue
		}
		if _, asked := pollers[queue]; !asked {
			p, err := a.AskPool(ctx, c, queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
			if err != nil {
				return nil, err
			}
			pollers[queue] = p.Workers
		}
		if reason := whyUnserved(queue, kind, pollers[queue], d.GetPendingWorkflowTask().GetAttempt()); reason != "" {
			out = append(out, unserved{execution: a.execution(e), Queue: queue, Reason: reason})
		}
	}
	return out, nil
}

// unservedLimit is the maximum number of runs that are checked, the newest first.
const unservedLimit = 100

// whyUnserved is the reason why no worker takes a run; "" = a worker will take it.
func whyUnserved(queue, kind string, pollers int, attempt int32) string {
	known := slices.Contains(kinds(), kind)
	switch {
	case pollers == 0 && queue == workflows.QueueMain:
		return "no worker polls the queue " + queue + ": `make up` starts one here, or serve the pool `cogflow`"
	case pollers == 0:
		return "no worker polls the queue " + queue + " for workflows: cancel it and start it on the queue " + workflows.QueueMain
	case !known && queue == workflows.QueueMain:
		return "no worker knows the workflow type " + kind + ": cancel it and start one of " + strings.Join(kinds(), ", ")
	case known && queue != workflows.QueueMain && attempt > 1:
		return "the workers of the queue " + queue + " do not know the type " + kind + ": cancel it and start it on the queue " + workflows.QueueMain
	}
	return ""
}

func (a app) printUnserved(all []unserved, now time.Time) {
	rows := make([][]string, len(all))
	for i, u := range all {
		rows[i] = []string{u.Kind, u.WorkflowID, u.Queue, format.Ago(u.Started, now), u.Reason}
	}
	a.Table([]cli.Column{{Name: "never taken"}, {Name: "id", Below: true}, {Name: "queue"}, {Name: "started"}, {Name: "reason", Flex: true}}, rows)
}

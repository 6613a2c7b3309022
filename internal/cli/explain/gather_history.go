package explain

import (
	"context"
	"encoding/json"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/job"
)

// lastEvents bounds how far back the history is read for a reason.
const lastEvents = 200

// history reads what only the history of a run has: its input, why its workflow task failed, and
// why its last step was refused for the budget.
func (g *gatherer) history(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse, f *facts) error {
	run := d.GetWorkflowExecutionInfo().GetExecution()
	events := g.c.GetWorkflowHistory(ctx, f.id, run.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return nil
	}
	first, err := events.Next()
	if err != nil {
		return err
	}
	if payloads := first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads(); len(payloads) > 0 {
		var in struct {
			GPU       []string `json:"gpu"`
			BudgetUSD float64  `json:"budget_usd"`
		}
		if json.Unmarshal(payloads[0].GetData(), &in) == nil { // an input of other programs has another shape
			f.classes, f.limit = video.GPUNames(in.GPU), in.BudgetUSD
		}
	}
	failing := f.task != nil && f.task.attempt > 1
	broke := f.state != nil && f.state.Waiting == job.WaitBudget
	if !failing && !broke {
		return nil
	}
	r, err := g.c.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: g.Where.Namespace, Execution: run, MaximumPageSize: lastEvents,
	})
	if err != nil {
		return err
	}
	for _, e := range r.GetHistory().GetEvents() {
		if failed := e.GetWorkflowTaskFailedEventAttributes(); failing && failed != nil && f.task.failure == "" {
			f.task.failure = textOf(failed.GetFailure())
			f.task.mismatch = failed.GetCause() == enumspb.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
		}
		if failed := e.GetActivityTaskFailedEventAttributes(); broke && failed != nil && f.refused == "" &&
			failed.GetFailure().GetApplicationFailureInfo().GetType() == string(fault.Budget) {
			f.refused, f.budget = textOf(failed.GetFailure()), sharedBudget(failed.GetFailure())
		}
	}
	return nil
}

// sharedBudget is the shared budget that refused a step; nil = its own limit did, or a former
// build does not say it.
func sharedBudget(f *failurepb.Failure) *money.Blocked {
	var by money.Blocked
	details := f.GetApplicationFailureInfo().GetDetails()
	if details != nil && converter.GetDefaultDataConverter().FromPayloads(details, &by) == nil && by.Budget.Check() == nil {
		return &by
	}
	return nil
}

// textOf is the message of the innermost failure.
func textOf(f *failurepb.Failure) string {
	for f.GetCause() != nil {
		f = f.GetCause()
	}
	return safetext.Line(f.GetMessage(), safetext.MaxReason)
}

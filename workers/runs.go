package main

import (
	"context"
	"errors"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
)

// runs implements the activities' port for workflow executions.
type runs struct{ client client.Client }

// Running reports whether a run is still open; an empty runID selects the current run.
func (r runs) Running(ctx context.Context, workflowID, runID string) (bool, error) {
	d, err := r.describe(ctx, workflowID, runID)
	if err != nil || d == nil {
		return false, err
	}
	return runID == "" && isOpen(d.Status) || !workflows.Closed(d.Status), nil
}

// ChainRunning reports whether a run, or the newest run of the same chain, is open. The server
// may have deleted the run after its retention period. Then its chain is known only if that run
// was the first of the chain. If the server does not return the first run of a chain, chains
// cannot be distinguished, and every open run of the workflow counts.
func (r runs) ChainRunning(ctx context.Context, workflowID, runID string) (bool, error) {
	held, err := r.describe(ctx, workflowID, runID)
	if err != nil || held != nil && !workflows.Closed(held.Status) {
		return err == nil, err
	}
	newest, err := r.describe(ctx, workflowID, "")
	if err != nil || newest == nil || !isOpen(newest.Status) {
		return false, err
	}
	first := runID
	if held != nil {
		first = firstRun(held)
	}
	chain := firstRun(newest)
	return chain == "" || chain == first, nil
}

// describe describes a run; nil = the server does not know it.
func (r runs) describe(ctx context.Context, workflowID, runID string) (*client.WorkflowExecutionDescription, error) {
	d, err := r.client.DescribeWorkflow(ctx, workflowID, runID)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return nil, nil //nolint:nilnil // the server does not know the run
	}
	return d, fault.Wrap(fault.Transport, "describe workflow", workflowID, err)
}

// isOpen reports whether the newest run of a workflow, or its chain, is open. The chain of a
// continued run is open, even if the server does not show the next run yet.
func isOpen(newest enums.WorkflowExecutionStatus) bool {
	return newest == enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW || !workflows.Closed(newest)
}

func firstRun(d *client.WorkflowExecutionDescription) string {
	return d.RawResponse.GetWorkflowExecutionInfo().GetFirstRunId()
}

// VideoTenant returns the tenant of a workflow that a library started.
func (r runs) VideoTenant(ctx context.Context, workflowID, libraryID string) (tenant.ID, error) {
	d, err := r.describe(ctx, workflowID, "")
	if err != nil || d == nil {
		return "", err
	}
	info := d.RawResponse.GetWorkflowExecutionInfo()
	if info.GetType().GetName() != "IngestVideo" || info.GetParentExecution().GetWorkflowId() != libraryID {
		return "", nil // a caller started it, so its attributes are not trusted
	}
	name, _ := d.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(workflows.AttrTenant))
	return tenant.ID(name), nil
}

// Signal sends a signal.
func (r runs) Signal(ctx context.Context, workflowID, runID, name string, payload any) error {
	err := r.client.SignalWorkflow(ctx, workflowID, runID, name, payload)
	return fault.Wrap(fault.Transport, "signal workflow", workflowID, err)
}

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

// runs answers the activities' questions about workflow executions.
type runs struct{ client client.Client }

// Running reports whether a run is still open; "" = the current one.
func (r runs) Running(ctx context.Context, workflowID, runID string) (bool, error) {
	d, err := r.client.DescribeWorkflow(ctx, workflowID, runID)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return false, nil
	}
	if err != nil {
		return false, fault.Wrap(fault.Transport, "describe workflow", workflowID, err)
	}
	// A chain of runs goes on in the next of them, which the server may not show yet.
	if runID == "" && d.Status == enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
		return true, nil
	}
	return !workflows.Closed(d.Status), nil
}

// VideoTenant returns whose a workflow is that a library started.
func (r runs) VideoTenant(ctx context.Context, workflowID, libraryID string) (tenant.ID, error) {
	d, err := r.client.DescribeWorkflow(ctx, workflowID, "")
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return "", nil
	}
	if err != nil {
		return "", fault.Wrap(fault.Transport, "describe workflow", workflowID, err)
	}
	info := d.RawResponse.GetWorkflowExecutionInfo()
	if info.GetType().GetName() != "IngestVideo" || info.GetParentExecution().GetWorkflowId() != libraryID {
		return "", nil // a caller started it and chose its attributes
	}
	name, _ := d.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(workflows.AttrTenant))
	return tenant.ID(name), nil
}

// Signal sends a signal.
func (r runs) Signal(ctx context.Context, workflowID, runID, name string, payload any) error {
	err := r.client.SignalWorkflow(ctx, workflowID, runID, name, payload)
	return fault.Wrap(fault.Transport, "signal workflow", workflowID, err)
}

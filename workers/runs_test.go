package main

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
)

// TestOpenRunsKeepTheirClaims: a run counts as running until it is closed. This includes a
// paused run, and a run in a state that this build does not know.
func TestOpenRunsKeepTheirClaims(t *testing.T) {
	t.Parallel()
	running := func(status enums.WorkflowExecutionStatus, runID string, failure error) bool {
		c := mocks.NewClient(t)
		d := &client.WorkflowExecutionDescription{}
		d.Status = status
		c.On("DescribeWorkflow", mock.Anything, "holder", runID).Return(d, failure)
		open, err := runs{c}.Running(t.Context(), "holder", runID)
		require.NoError(t, err)
		return open
	}
	ended := map[enums.WorkflowExecutionStatus]bool{
		enums.WORKFLOW_EXECUTION_STATUS_COMPLETED: true, enums.WORKFLOW_EXECUTION_STATUS_FAILED: true,
		enums.WORKFLOW_EXECUTION_STATUS_CANCELED: true, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED: true,
		enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: true, enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: true,
	}
	for number := range enums.WorkflowExecutionStatus_name {
		status := enums.WorkflowExecutionStatus(number)
		require.Equal(t, !ended[status], running(status, "run", nil), status)
	}
	require.True(t, running(enums.WORKFLOW_EXECUTION_STATUS_PAUSED, "", nil))
	require.True(t, running(99, "", nil), "a status of a newer server")
	require.True(t, running(enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, "", nil), "the chain continues")
	require.False(t, running(0, "", serviceerror.NewNotFound("gone")))
}

// TestVideoTenant: a workflow with the id of a library's video counts as a video of that
// library only if the library is its parent on the server.
func TestVideoTenant(t *testing.T) {
	t.Parallel()
	owner := func(kind, parent string) tenant.ID {
		c := mocks.NewClient(t)
		info := &workflowpb.WorkflowExecutionInfo{Type: &commonpb.WorkflowType{Name: kind}}
		if parent != "" {
			info.ParentExecution = &commonpb.WorkflowExecution{WorkflowId: parent}
		}
		d := &client.WorkflowExecutionDescription{RawResponse: &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}}
		d.TypedSearchAttributes = temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(workflows.AttrTenant).ValueSet("a"))
		c.On("DescribeWorkflow", mock.Anything, "lib/000000", "").Return(d, nil)
		of, err := runs{c}.VideoTenant(t.Context(), "lib/000000", "lib")
		require.NoError(t, err)
		return of
	}
	require.Equal(t, tenant.ID("a"), owner("IngestVideo", "lib"))
	require.Empty(t, owner("IngestVideo", ""), "it has no parent")
	require.Empty(t, owner("IngestVideo", "another"))
	require.Empty(t, owner("TrainSFT", "lib"))
}

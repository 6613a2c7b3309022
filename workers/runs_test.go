package main

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
)

// TestOpenRunsKeepTheirClaims: only a run that has ended for sure is not running.
// One that is paused, or in a state that this build has never heard of, still is.
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
	require.True(t, running(enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, "", nil), "the chain goes on")
	require.False(t, running(0, "", serviceerror.NewNotFound("gone")))
}

package main

import (
	"context"
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
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/video"
)

// shownRun is the server's description of a run; nil = the run is deleted.
type shownRun struct {
	status enums.WorkflowExecutionStatus
	first  string
}

// TestChainRunning: the newest run with the workflow id of a run counts as its continuation
// only if both belong to one chain.
func TestChainRunning(t *testing.T) {
	t.Parallel()
	const (
		open       = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
		continued  = enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
		terminated = enums.WORKFLOW_EXECUTION_STATUS_TERMINATED
	)
	for name, c := range map[string]struct {
		held, newest *shownRun
		want         bool
	}{
		"open":                                 {&shownRun{open, "run"}, nil, true},
		"in a state of a newer server":         {&shownRun{99, "run"}, nil, true},
		"ended":                                {&shownRun{terminated, "run"}, &shownRun{terminated, "run"}, false},
		"continued":                            {&shownRun{continued, "first"}, &shownRun{open, "first"}, true},
		"continued, the next is not shown yet": {&shownRun{continued, "first"}, &shownRun{continued, "first"}, true},
		"continued, the chain has ended":       {&shownRun{continued, "first"}, &shownRun{terminated, "first"}, false},
		"continued, the chain is deleted":      {&shownRun{continued, "first"}, nil, false},
		"continued, another chain has its id":  {&shownRun{continued, "first"}, &shownRun{open, "other"}, false},
		"ended, another chain has its id":      {&shownRun{terminated, "run"}, &shownRun{open, "other"}, false},
		"reset":                                {&shownRun{terminated, "run"}, &shownRun{open, "run"}, true},
		"deleted":                              {nil, nil, false},
		"deleted, the chain continues":         {nil, &shownRun{open, "run"}, true},
		"deleted, another chain has its id":    {nil, &shownRun{open, "other"}, false},
		"ended, on a server without chains":    {&shownRun{terminated, ""}, &shownRun{open, ""}, true},
		"deleted, on a server without chains":  {nil, &shownRun{open, ""}, true},
		"closed, on a server without chains":   {&shownRun{terminated, ""}, &shownRun{terminated, ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mocks.NewClient(t)
			show := func(run string, d *shownRun) *mock.Call {
				if d == nil {
					return server.On("DescribeWorkflow", mock.Anything, "x", run).Return(nil, serviceerror.NewNotFound("deleted"))
				}
				out := &client.WorkflowExecutionDescription{RawResponse: &workflowservice.DescribeWorkflowExecutionResponse{
					WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{FirstRunId: d.first},
				}}
				out.Status = d.status
				return server.On("DescribeWorkflow", mock.Anything, "x", run).Return(out, nil)
			}
			show("run", c.held)
			show("", c.newest).Maybe()
			got, err := runs{server}.ChainRunning(t.Context(), "x", "run")
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for _, fails := range []string{"run", ""} {
		server := mocks.NewClient(t)
		server.On("DescribeWorkflow", mock.Anything, "x", fails).Return(nil, serviceerror.NewUnavailable("away"))
		server.On("DescribeWorkflow", mock.Anything, "x", "run").Return(nil, serviceerror.NewNotFound("deleted")).Maybe()
		_, err := runs{server}.ChainRunning(t.Context(), "x", "run")
		require.Equal(t, fault.Transport, fault.ClassOf(err))
	}
}

// TestClaimsFollowTheRun: on a real server, a claim belongs to the run that took it and to
// runs that continue or reset it, but not to another run with the same id.
func TestClaimsFollowTheRun(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	serve := worker.New(s.client, "again", worker.Options{})
	serve.RegisterWorkflowWithOptions(func(ctx workflow.Context, more int) error {
		if more > 0 {
			return workflow.NewContinueAsNewError(ctx, "again", more-1)
		}
		workflow.GetSignalChannel(ctx, "end").Receive(ctx, nil)
		return nil
	}, workflow.RegisterOptions{Name: "again"})
	require.NoError(t, serve.Start())
	t.Cleanup(serve.Stop)
	start := func(id string, more int) string {
		run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "again"}, "again", more)
		require.NoError(t, err)
		return run.GetRunID()
	}
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	claims := activities.Claims{Store: store, Runs: runs{s.client}, What: "video"}
	held := func(id, run string) bool {
		t.Helper()
		key := "default/claims/" + id
		require.NoError(t, activities.WriteManifest(t.Context(), store, key, video.Claim{Workflow: id, Run: run, Number: 1}))
		err := activitytest.Do(t, func(ctx context.Context, key string) error {
			_, err := claims.Take(ctx, key)
			return err
		}, key)
		if err != nil {
			require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
		}
		return err != nil
	}

	run := start("x", 0)
	require.True(t, held("x", run))
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), "x", run, ""))
	require.False(t, held("x", run))
	start("x", 0)
	require.False(t, held("x", run), "another run has its id")
	require.True(t, held("x", ""), "an earlier build stored no run")

	run = start("chain", 2)
	ended := s.client.GetWorkflow(t.Context(), "chain", run).GetWithOptions(t.Context(), nil, client.WorkflowRunGetOptions{DisableFollowingRuns: true})
	require.True(t, workflow.IsContinueAsNewError(ended), "%v", ended)
	require.True(t, held("chain", run))
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), "chain", "", ""))
	start("chain", 0)
	require.False(t, held("chain", run), "another run has its id")

	run = start("reset", 0)
	_, err = s.client.QueryWorkflow(t.Context(), "reset", run, client.QueryTypeStackTrace) // answered after the first task
	require.NoError(t, err)
	_, err = s.client.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "reset", RunId: run},
		RequestId: "reset", WorkflowTaskFinishEventId: 4,
	})
	require.NoError(t, err)
	require.True(t, held("reset", run))
}

package cli

import (
	"bytes"
	"context"
	"testing"

	"github.com/cogniverse/cogflow/internal/submit"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
)

// deleting is a client of the fake server deletions.
type deleting struct {
	client.Client
	server *deletions
}

func (d deleting) WorkflowService() workflowservice.WorkflowServiceClient { return d.server }

// deletions is a fake server that deletes runs, or rejects deletions.
type deletions struct {
	workflowservice.WorkflowServiceClient
	refusal error
	deleted []string
}

func (d *deletions) DeleteWorkflowExecution(
	_ context.Context, in *workflowservice.DeleteWorkflowExecutionRequest, _ ...grpc.CallOption,
) (*workflowservice.DeleteWorkflowExecutionResponse, error) {
	if d.refusal != nil {
		return nil, d.refusal
	}
	e := in.GetWorkflowExecution()
	d.deleted = append(d.deleted, in.GetNamespace()+" "+e.GetWorkflowId()+" "+e.GetRunId())
	return &workflowservice.DeleteWorkflowExecutionResponse{}, nil
}

type doneRun struct{ client.WorkflowRun }

func (doneRun) GetID() string    { return "lookup" }
func (doneRun) GetRunID() string { return "run" }

// TestForget: only runs of lookups are deleted, and a rejected deletion is not an error.
func TestForget(t *testing.T) {
	t.Parallel()
	var notes bytes.Buffer
	a := &App{Process: Process{Err: &notes}, Where: submit.Server{Namespace: "ns"}}
	d := &deletions{}
	for _, kind := range []string{"IngestLibrary", "DeleteVideo", "ActivateAdapter", "PromoteProgram", "Unknown"} {
		a.Forget(t.Context(), deleting{server: d}, kind, doneRun{})
	}
	require.Empty(t, d.deleted)
	a.Forget(t.Context(), deleting{server: d}, "SearchVideos", doneRun{})
	require.Equal(t, []string{"ns lookup run"}, d.deleted)

	d.refusal = serviceerror.NewPermissionDenied("not allowed", "")
	a.Forget(t.Context(), deleting{server: d}, "SearchVideos", doneRun{})
	require.Empty(t, notes.String())
	a.Debug = true
	a.Forget(t.Context(), deleting{server: d}, "SearchVideos", doneRun{})
	require.Equal(t, "debug: the run of the lookup lookup was not deleted: not allowed\n", notes.String())
}

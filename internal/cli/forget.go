package cli

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows/catalog"
)

// forgetTimeout bounds the time of a deletion.
const forgetTimeout = 2 * time.Second

// Forget deletes the completed run of a lookup after its result was read, so that searches
// and lists do not fill the Web UI. Do not call it for a failed run, which is kept for
// diagnosis. A missing permission to delete is not an error.
func (a *App) Forget(ctx context.Context, c client.Client, kind string, run client.WorkflowRun) {
	if t, known := catalog.TypeOf(kind); !known || !t.Lookup {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, a.Limit(forgetTimeout))
	defer cancel()
	_, err := c.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace:         a.Where.Namespace,
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run.GetID(), RunId: run.GetRunID()},
	})
	if err != nil && a.Debug {
		a.Note("debug: the run of the lookup %s was not deleted: %v", run.GetID(), unwrapGRPC(err))
	}
}

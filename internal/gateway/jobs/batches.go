package jobs

import (
	"context"
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// Batches are the folders of the batches of frames that open jobs of all tenants describe, whoever
// has started them.
func (a *API) Batches(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: a.Server.Namespace, PageSize: maxLimit,
		Query: "WorkflowType = 'DescribeFrames' AND CloseTime IS NULL AND TaskQueue = " + quoted(workflows.QueueMain),
	}
	for {
		page, err := a.page(ctx, request)
		if err != nil {
			return nil, told(err)
		}
		for _, e := range page.GetExecutions() {
			prefix, err := a.batchOf(ctx, e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId())
			if err != nil {
				return nil, told(err)
			}
			out[prefix] = true
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return out, nil
		}
	}
}

func (a *API) page(ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return a.Temporal.ListWorkflow(ctx, r)
}

// batchOf reads the input of a run, which a starter cannot change later. A run without a batch fails,
// and needs none.
func (a *API) batchOf(ctx context.Context, id, run string) (prefix string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	begun, err := a.Temporal.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var in struct {
		Tenant string `json:"tenant"`
		Batch  string `json:"batch"`
	}
	payloads := begun.GetWorkflowExecutionStartedEventAttributes().GetInput()
	if converter.GetDefaultDataConverter().FromPayloads(payloads, &in) != nil {
		return "", nil
	}
	if in.Tenant == "" {
		in.Tenant = string(tenant.Default)
	}
	return video.BatchPrefix(tenant.ID(in.Tenant), video.Fingerprint(in.Batch)), nil
}

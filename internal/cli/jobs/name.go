package jobs

import (
	"strings"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
)

// nameOf is the name of the source, adapter or program of a job: from its memo, else from the
// id of a training run or an optimization. Lists from the server include both. "" = unknown.
func nameOf(e *workflowpb.WorkflowExecutionInfo) string {
	text := ""
	payload := e.GetMemo().GetFields()[workflows.MemoName]
	if payload != nil && converter.GetDefaultDataConverter().FromPayload(payload, &text) == nil && text != "" {
		return safetext.Clean(text)
	}
	owner := ""
	payload = e.GetSearchAttributes().GetIndexedFields()[workflows.AttrTenant]
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &owner) != nil {
		return ""
	}
	id, _ := strings.CutPrefix(e.GetExecution().GetWorkflowId(), submit.DryRuns)
	for _, stem := range []string{"train-", "sweep-", "optimize-"} {
		if rest, ok := strings.CutPrefix(id, stem+owner+"-"); ok {
			return safetext.Clean(withoutDigest(rest))
		}
	}
	return ""
}

// withoutDigest removes the digest of the input from the end of an id; "" = no digest.
func withoutDigest(text string) string {
	const digits = 12
	at := len(text) - digits - 1
	if at < 1 || text[at] != '-' || strings.Trim(text[at+1:], "0123456789abcdef") != "" {
		return ""
	}
	return text[:at]
}

package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/workflows"
)

// TestNameOf: the name of a job is in its memo, else in its id.
func TestNameOf(t *testing.T) {
	t.Parallel()
	payload := func(v any) *commonpb.Payload {
		p, err := converter.GetDefaultDataConverter().ToPayload(v)
		require.NoError(t, err)
		return p
	}
	for _, c := range []struct {
		id, owner string
		memo      any
		want      string
	}{
		{"ingest-acme-local_preview-0123456789ab", "acme", "videos", "videos"},
		{"ingest-acme-local_preview-0123456789ab", "acme", nil, ""},
		{"train-acme-support-0123456789ab", "acme", nil, "support"},
		{"dry-run/train-acme-support-v2-0123456789ab", "acme", nil, "support-v2"},
		{"sweep-org:t-support-0123456789ab", "org:t", nil, "support"},
		{"optimize-default-agentic-router-0123456789ab", "default", nil, "agentic-router"},
		{"train-acme-support-0123456789ab", "other", nil, ""},
		{"train-acme-support-0123456789xy", "acme", nil, ""},
		{"train-acme--0123456789ab", "acme", nil, ""},
		{"nightly", "acme", nil, ""},
		{"nightly", "acme", 7, ""},
		{"nightly", "acme", clitest.Malicious, "agpj b\ufffd31m \ufffd.mp4"},
	} {
		e := &workflowpb.WorkflowExecutionInfo{
			Execution:        &commonpb.WorkflowExecution{WorkflowId: c.id},
			SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{workflows.AttrTenant: payload(c.owner)}},
		}
		if c.memo != nil {
			e.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{"name": payload(c.memo)}}
		}
		require.Equal(t, c.want, nameOf(e), c.id)
	}
	require.Empty(t, nameOf(&workflowpb.WorkflowExecutionInfo{}))
}

package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/flowtest"
)

// TestAttributesOfTheRun: search attributes that a caller presets are replaced by those of
// the run.
func TestAttributesOfTheRun(t *testing.T) {
	t.Parallel()
	keys := []string{workflows.AttrTenant, workflows.AttrKind, workflows.AttrProfile}
	right := []string{"acme", "IngestVideo", "p"}
	for name, preset := range map[string][]string{
		"all right":       {"acme", "IngestVideo", "p"},
		"another tenant":  {"beta", "IngestVideo", "p"},
		"another kind":    {"acme", "SearchVideos", "p"},
		"another profile": {"acme", "IngestVideo", "q"},
		"all wrong":       {"beta", "SearchVideos", "q"},
		"none":            nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := flowtest.NewEnvironmentWith()
			var values []temporal.SearchAttributeUpdate
			for i, value := range preset {
				values = append(values, temporal.NewSearchAttributeKeyKeyword(keys[i]).ValueSet(value))
			}
			require.NoError(t, env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(values...)))
			env.OnUpsertTypedSearchAttributes(mock.Anything).Return(nil).Maybe()
			env.ExecuteWorkflow(func(ctx workflow.Context) ([]string, error) {
				if err := workflows.SetAttributes(ctx, "IngestVideo", workflows.Common{Tenant: "acme"}, "p"); err != nil {
					return nil, err
				}
				var found []string
				for _, key := range keys {
					value, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(temporal.NewSearchAttributeKeyKeyword(key))
					found = append(found, value)
				}
				return found, nil
			})
			require.NoError(t, env.GetWorkflowError())
			var got []string
			require.NoError(t, env.GetWorkflowResult(&got))
			require.Equal(t, right, got)
		})
	}
}

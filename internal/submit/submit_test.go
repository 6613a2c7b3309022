package submit_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
	"github.com/cogniverse/cogflow/workflows/train"
)

// TestEveryType shows that each type has an input that can be checked before it starts.
func TestEveryType(t *testing.T) {
	t.Parallel()
	for _, one := range catalog.Types() {
		j, err := submit.Read(one, []byte(`{"budget_usd":1}`), "acme", "p")
		if err != nil {
			require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", one.Name, err)
			continue
		}
		require.Equal(t, one.Name, j.Kind)
		require.Equal(t, workflows.Common{Tenant: "acme", BudgetUSD: 1, Priority: 3}, j.Common)
	}
}

// TestSameJob shows that an input as people write it is the job that the command line makes of
// its flags.
func TestSameJob(t *testing.T) {
	t.Parallel()
	kind, _ := catalog.TypeOf("TrainSFT")
	dataset := activities.Dataset{URI: "s3://b/x.jsonl"}
	want, err := submit.Train("TrainSFT", train.Input{
		Common: workflows.Common{Tenant: "acme", Priority: 3}, Name: "sft-base", BaseModel: "org/base", Dataset: dataset, GPU: []string{"a10g"},
	})
	require.NoError(t, err)
	got, err := submit.Read(kind, []byte(`{"gpu": ["A10G"], "base_model": "org/base", "dry_run": true, "dataset": {"uri": "s3://b/x.jsonl"}}`), "acme", "")
	require.NoError(t, err)
	require.Equal(t, want.ID, got.ID)
	require.True(t, got.DryRun)
	sent, err := json.Marshal(got.Input)
	require.NoError(t, err)
	require.JSONEq(t, `{"tenant":"acme","priority":3,"name":"sft-base","base_model":"org/base","dataset":{"uri":"s3://b/x.jsonl"},"gpu":["a10g"],"dry_run":true}`, string(sent))
}

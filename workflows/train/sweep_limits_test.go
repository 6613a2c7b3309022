package train

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows/flowtest"
)

func TestSweepSetsLimitsLast(t *testing.T) {
	t.Parallel()
	r := &sweepRun{}
	require.NoError(t, json.Unmarshal([]byte(`{"tenant":"a","method":"sft","budget_usd":6,"priority":2,
		"train":{"base_model":"m","dataset":{"uri":"x"},"budget_usd":100,"priority":1},"grid":{"sft_config.learning_rate":[1e-4,2e-4],"seed":[12345678901234567]}}`), &r.in))
	env := flowtest.NewEnvironment()
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		if err := r.in.check(ctx); err != nil {
			return err
		}
		return r.prepare(ctx)
	})
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, r.inputs, 2)
	for i, rate := range []string{"1e-4", "2e-4"} {
		require.JSONEq(t, `{"tenant":"a","priority":2,"budget_usd":3,"base_model":"m","dataset":{"uri":"x"},"seed":12345678901234567,
			"sft_config":{"learning_rate":`+rate+`}}`, string(r.inputs[i]))
	}
}

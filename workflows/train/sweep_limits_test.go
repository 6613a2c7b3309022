package train

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows"
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

// TestSweepRunsAreNamed: lists name a run of a sweep by what it varies.
func TestSweepRunsAreNamed(t *testing.T) {
	t.Parallel()
	r := sweepRun{in: SweepInput{Method: "sft"}}
	options := r.options(&SweepRun{Overrides: map[string]json.RawMessage{
		"sft_config.learning_rate": json.RawMessage("1e-4"), "lora.r": json.RawMessage("8"),
	}})
	require.Equal(t, "r=8, learning_rate=1e-4", options.Memo[workflows.MemoName])
	options = r.options(&SweepRun{Overrides: map[string]json.RawMessage{"dataset": json.RawMessage(`"` + strings.Repeat("x", 5000) + `"`), "name": json.RawMessage(`"` + strings.Repeat("é", 5000) + `"`)}})
	name, ok := options.Memo[workflows.MemoName].(string)
	require.True(t, ok)
	require.LessOrEqual(t, utf8.RuneCountInString(name), maxShownName)
}

package ingest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/flowtest"
)

func TestInputIsChecked(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown field":    `{"source":"x","sauce":1}`,
		"no source":        `{}`,
		"wrong type":       `{"source":1}`,
		"not an object":    `"x"`,
		"null":             `null`,
		"bad tenant":       `{"source":"x","tenant":"../x"}`,
		"bad priority":     `{"source":"x","priority":9}`,
		"bad concurrency":  `{"source":"x","concurrency":1000}`,
		"negative budget":  `{"source":"x","budget_usd":-1}`,
		"negative maximum": `{"source":"x","max_videos":-1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var in LibraryInput
			require.NoError(t, json.Unmarshal([]byte(text), &in), "the workflow reports it, with a class")
			require.ErrorContains(t, problemOf(&in), "(type: input")
		})
	}
}

func TestInputDefaults(t *testing.T) {
	t.Parallel()
	var in LibraryInput
	require.NoError(t, json.Unmarshal([]byte(`{"source":"x"}`), &in))
	require.NoError(t, problemOf(&in))
	require.Equal(t, 4, in.Concurrency)
	require.Equal(t, "default", in.Tenant)
	require.Equal(t, 3, in.Priority)
}

// problemOf is the error of a new run with this input.
func problemOf(in *LibraryInput) error {
	env := flowtest.NewEnvironment()
	env.ExecuteWorkflow(func(ctx workflow.Context) error { return workflows.Typed(in.check(ctx)) })
	return env.GetWorkflowError()
}

func FuzzInput(f *testing.F) {
	f.Add([]byte(`{"source":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var in LibraryInput
		if json.Unmarshal(data, &in) == nil && problemOf(&in) == nil && in.Source == "" {
			t.Fatal("an input without a source passed")
		}
	})
}

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

// TestSearchInput: a search has words, an example, or both, and a rank that uses all of it.
func TestSearchInput(t *testing.T) {
	t.Parallel()
	const picture = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for text, want := range map[string]string{
		`{"query":"tram"}`:                             "hybrid",
		`{"image":"` + picture + `"}`:                  "vector",
		`{"like":"default:0011:2000"}`:                 "vector",
		`{"like":"a:b:2","query":"tram"}`:              "hybrid",
		`{"like":"a:b:2","rank":"float_binary"}`:       "float_binary",
		`{}`:                                           "",
		`{"like":"a:b:2","image":"` + picture + `"}`:   "",
		`{"image":"frame.jpg"}`:                        "",
		`{"like":"a:b:2","rank":"bm25"}`:               "",
		`{"like":"a:b:2","query":"x","rank":"vector"}`: "",
	} {
		var in SearchInput
		require.NoError(t, json.Unmarshal([]byte(text), &in))
		env := flowtest.NewEnvironment()
		env.ExecuteWorkflow(func(ctx workflow.Context) error { return workflows.Typed(in.check(ctx)) })
		if want == "" {
			require.ErrorContains(t, env.GetWorkflowError(), "(type: input", text)
			continue
		}
		require.NoError(t, env.GetWorkflowError(), text)
		require.Equal(t, want, in.Rank, text)
	}
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

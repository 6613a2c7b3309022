package conformance_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
)

// TestDefaults: whole runs, as in TestMIPRO, of a program whose rows lack inputs and whose
// answers lack outputs that have defaults.
func TestDefaults(t *testing.T) {
	t.Parallel()
	p, err := prompt.Read([]byte(`{"name": "defaults", "predictors": [
		{"name": "route", "inputs": [{"name": "limit", "type": "int", "default": 3}, {"name": "query"}, {"name": "style", "default": "short"},
			{"name": "hint", "type": "optional", "items": {"type": "str"}}],
			"outputs": [{"name": "agent"}, {"name": "left_out", "type": "int", "default": 7}]},
		{"name": "answer", "module": "chain_of_thought", "inputs": [{"name": "style", "default": "long"}, {"name": "query"}, {"name": "agent"}, {"name": "left_out", "type": "int"},
			{"name": "color", "type": "enum", "class": "Color", "members": ["RED"], "options": ["red"], "default": "red"}], "outputs": [{"name": "answer"}]}]}`))
	require.NoError(t, err)
	var list []runJob
	for seed := range 2 {
		job := runJob{
			Name: fmt.Sprintf("seed %d", seed), Program: p, Source: p.Source(), Inputs: []string{"query", "limit", "style", "hint", "color"},
			Train: examples(uint64(70+seed), 20), Val: examples(uint64(80+seed), 16), Metric: json.RawMessage(`{"kind": "exact", "field": "agent"}`),
			Settings: map[string]any{"auto": "none", "num_candidates": 5, "num_trials": 9, "minibatch_size": 8, "minibatch_full_eval_steps": 4, "seed": seed + 1},
		}
		for i, row := range job.Train {
			if i%2 == 0 {
				row.Set("style", "as it was given")
			}
			if i%4 == 0 {
				row.Set("hint", []any{nil, "it is late"}[i/4%2])
			}
			if i%3 == 0 {
				row.Set("limit", int64(i))
			}
		}
		list = append(list, job)
	}
	stdin, err := json.Marshal(list)
	require.NoError(t, err)
	var results []runResult
	ask(t, &results, stdin, "mipro.py")
	for i, job := range list {
		t.Run(job.Name, func(t *testing.T) {
			t.Parallel()
			compareRun(t, job, results[i])
		})
	}
}

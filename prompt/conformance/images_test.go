package conformance_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// viewer is a program whose predictors read images.
func viewer(t *testing.T) *prompt.Program {
	t.Helper()
	p, err := prompt.Read([]byte(`{"name": "viewer", "predictors": [
		{"name": "route", "module": "chain_of_thought", "inputs": [{"name": "query"}, {"name": "photo", "type": "image"}], "outputs": [{"name": "agent"}]},
		{"name": "answer", "inputs": [{"name": "photos", "type": "list", "items": {"type": "image"}}, {"name": "query"}, {"name": "agent"},
			{"name": "maybe", "type": "optional", "items": {"type": "image"}}], "outputs": [{"name": "answer"}]}]}`))
	require.NoError(t, err)
	return p
}

// seen adds images to the examples.
func seen(t *testing.T, rows []*prompt.Object) []*prompt.Object {
	t.Helper()
	for i, row := range rows {
		var data bytes.Buffer
		require.NoError(t, png.Encode(&data, image.NewGray(image.Rect(0, 0, i+1, 1))))
		shown := "data:image/png;base64," + base64.StdEncoding.EncodeToString(data.Bytes())
		row.Set("photo", shown)
		row.Set("photos", []any{shown, fmt.Sprintf("https://example.com/%d.png", i)})
		row.Set("maybe", []any{nil, python.NewObject("url", shown)}[i%2])
	}
	return rows
}

// TestImages: whole runs of a program with images, as in TestMIPRO.
func TestImages(t *testing.T) {
	t.Parallel()
	p := viewer(t)
	var list []runJob
	for seed, settings := range []string{
		`{"auto": "none", "num_candidates": 5, "num_trials": 9, "minibatch_size": 8, "minibatch_full_eval_steps": 4, "seed": 1}`,
		`{"auto": "none", "num_candidates": 4, "num_trials": 7, "minibatch": false, "view_data_batch_size": 3, "max_labeled_demos": 2, "seed": 2}`,
		`{"auto": "none", "num_candidates": 4, "num_trials": 6, "minibatch_size": 6, "max_bootstrapped_demos": 0, "max_labeled_demos": 0, "seed": 3}`,
	} {
		job := runJob{
			Name: fmt.Sprintf("seed %d", seed+1), Program: p, Source: p.Source(), Inputs: []string{"query", "photo", "photos", "maybe"},
			Train: seen(t, examples(uint64(seed), 20)), Val: seen(t, examples(uint64(50+seed), 16)), Metric: json.RawMessage(`{"kind": "exact", "field": "agent"}`),
		}
		require.NoError(t, json.Unmarshal([]byte(settings), &job.Settings))
		list = append(list, job)
	}
	stdin, err := json.Marshal(list)
	require.NoError(t, err)
	var results []runResult
	ask(t, &results, stdin, "mipro.py")
	require.Len(t, results, len(list))
	for i, job := range list {
		t.Run(job.Name, func(t *testing.T) {
			t.Parallel()
			for _, rows := range []*[]*prompt.Object{&job.Train, &job.Val} {
				read, err := job.Program.Rows("trainset", *rows)
				require.NoError(t, err)
				*rows = read
			}
			shown := 0
			for _, a := range results[i].Answers {
				for _, m := range a.Messages {
					shown += len(m.Parts)
				}
			}
			require.Greater(t, shown, 100)
			compareRun(t, job, results[i])
		})
	}
}

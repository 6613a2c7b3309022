package train

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// TestTrainText: the line of a run in each of its states.
func TestTrainText(t *testing.T) {
	t.Parallel()
	at := func(p trainflow.Progress) string { return sample{id: "id", Progress: p}.text() }
	require.Equal(t, "check", at(trainflow.Progress{Stage: "check"}))
	require.Equal(t, "train (waits: a worker of queue train-l4), on l4", at(trainflow.Progress{Stage: "train", Waiting: "a worker of queue train-l4", GPU: "l4"}))
	require.Equal(t, "train: starting, on l4", at(trainflow.Progress{Stage: "train", GPU: "l4"}), "Python loads its libraries")
	require.Equal(t, "train (paused)", at(trainflow.Progress{Stage: "train", Paused: true}))
	p := trainflow.Progress{Stage: "train", Report: train.Report{Phase: "load"}}
	require.Equal(t, "train: loading the model", at(p))
	s := sample{Progress: p, phase: 42*time.Second + 100*time.Millisecond}
	require.Equal(t, "train: loading the model, 42s", s.text())
	s = sample{Progress: trainflow.Progress{Stage: "train", Waiting: "a worker of queue train-l40s", GPU: "l40s"}, cold: cli.Cold{Queue: "train-l40s", For: 3 * time.Minute}}
	require.Equal(t, "train (waits: 3m0s for a worker of queue train-l40s), on l40s", s.text())
	p.Phase, p.Step, p.Total = "train", 3, 9
	require.Equal(t, "train 3/9 steps", at(p))
}

// TestTrainETA: each step adds one estimate, and the time left does not rise.
func TestTrainETA(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var last *progress
	look := func(after time.Duration, step int, estimate float64, paused bool) string {
		now = now.Add(after)
		p := &progress{trains: []sample{{id: "id", at: now, Progress: trainflow.Progress{
			Stage: "train", Paused: paused, Started: now.Add(-time.Hour),
			Report: train.Report{Phase: "train", Step: step, Total: 100, ETASeconds: estimate},
		}}}}
		if last == nil {
			p.After(nil)
		} else {
			p.After(last)
		}
		last = p
		return p.trains[0].text()
	}
	require.Equal(t, "train 0/100 steps, 1h0m0s in all", look(0, 0, 0, false))
	require.Equal(t, "train 1/100 steps, ETA 1m40s, 1h0m0s in all", look(time.Second, 1, 100, false))
	require.Contains(t, look(time.Second, 1, 100, false), "ETA 1m40s", "no new step")
	require.Contains(t, look(time.Second, 2, 150, false), "ETA 1m40s")
	require.Contains(t, look(time.Second, 3, 97, false), "ETA 1m39s")
	require.Equal(t, "train (paused) 3/100 steps, 1h0m0s in all", look(time.Second, 3, 97, true))
	require.Contains(t, look(time.Minute, 3, 97, false), "ETA 1m37s")
}

// TestExampleDataset: the rows of docs/tutorials/train.md are valid, and enough rows are held
// out for a verdict.
func TestExampleDataset(t *testing.T) {
	t.Parallel()
	const name = "../../../examples/support.jsonl"
	check, err := dataset.Prepare(t.Context(), dataset.CheckOptions{Name: name, Method: training.SFT}, localRows(name), nil, io.Discard, io.Discard)
	require.NoError(t, err)
	require.Equal(t, check.Train.Rows, check.Train.Kept)
	require.Zero(t, check.Train.Duplicates)
	require.GreaterOrEqual(t, check.EvalFile.Rows, 6)
}

package train

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// TestTrainText: at every moment of a run the line says what it is at.
func TestTrainText(t *testing.T) {
	t.Parallel()
	at := func(p trainflow.Progress) string { return sample{"id", p}.text() }
	require.Equal(t, "check", at(trainflow.Progress{Stage: "check"}))
	require.Equal(t, "train (waits: a worker of queue train-l4) on l4", at(trainflow.Progress{Stage: "train", Waiting: "a worker of queue train-l4", GPU: "l4"}))
	require.Equal(t, "train: start on l4", at(trainflow.Progress{Stage: "train", GPU: "l4"}), "while Python loads its libraries")
	require.Equal(t, "train (paused)", at(trainflow.Progress{Stage: "train", Paused: true}))
	p := trainflow.Progress{Stage: "train", Report: train.Report{Phase: "load"}}
	require.Equal(t, "train: load", at(p))
	p.Phase, p.Step, p.Total = "train", 3, 9
	require.Equal(t, "train 3/9 steps", at(p))
}

// TestExampleDataset: the rows of docs/tutorials/train.md are valid, and enough of them are
// held out for a verdict.
func TestExampleDataset(t *testing.T) {
	t.Parallel()
	const name = "../../../examples/support.jsonl"
	check, err := dataset.Prepare(t.Context(), dataset.CheckOptions{Name: name, Method: training.SFT}, localRows(name), nil, io.Discard, io.Discard)
	require.NoError(t, err)
	require.Equal(t, check.Train.Rows, check.Train.Kept)
	require.Zero(t, check.Train.Duplicates)
	require.GreaterOrEqual(t, check.EvalFile.Rows, 6)
}

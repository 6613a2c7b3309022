package train

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/rows"
)

func TestEnoughRows(t *testing.T) {
	t.Parallel()
	check := func(rows int, format rows.Format) dataset.Check {
		return dataset.Check{Train: dataset.Survey{Kept: rows, Format: format}}
	}
	in := PrepareInput{MinRows: 50}
	require.NoError(t, in.enough(check(50, rows.FormatMessages), "d"))
	require.EqualError(t, in.enough(check(1, rows.FormatMessages), "d"),
		`check dataset "d": too few rows to train on: 1; add more, or lower min_rows (now 50)`)

	in.Loss = "triplet"
	require.NoError(t, in.enough(check(50, rows.FormatTriplet), "d"))
	require.ErrorContains(t, in.enough(check(50, rows.FormatPair), "d"), `its rows have no "negative"`)
	in.Loss = "mnr"
	require.NoError(t, in.enough(check(50, rows.FormatPair), "d"))
	shown := check(50, rows.FormatPair)
	shown.Train.Images = 50
	require.ErrorContains(t, in.enough(shown, "d"), `set loss to "late_interaction"`)
	in.Loss = training.LateInteraction
	require.NoError(t, in.enough(shown, "d"))
	in.Loss = ""
	require.NoError(t, in.enough(shown, "d"), "of SFT")
}

func TestFaultsOfDatasets(t *testing.T) {
	t.Parallel()
	opened := &fault.Error{Class: fault.Input, Op: "open video", Subject: "rows", Reason: "it is a directory, not a video file", Err: io.EOF}
	err := activities.OfDataset(opened)
	require.EqualError(t, err, `read dataset "rows": it is a directory, not a file: EOF`)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "open video", opened.Op, "the error may be shared and must not be changed")
	strange := errors.New("strange")
	require.Equal(t, strange, activities.OfDataset(strange))
}

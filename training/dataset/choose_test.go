package dataset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		counts     Counts
		thresholds Thresholds
		method     training.Method
		confidence float64
	}{
		{Counts{Pairs: 20}, Thresholds{}, training.DPO, 0.5},
		{Counts{Pairs: 20, Examples: 5000}, Thresholds{}, training.DPO, 0.5},
		{Counts{Pairs: 400}, Thresholds{}, training.DPO, 1},
		{Counts{Pairs: 19, Examples: 50}, Thresholds{}, training.SFT, 0.5},
		{Counts{Examples: 75}, Thresholds{}, training.SFT, 0.75},
		{Counts{Examples: 3}, Thresholds{Examples: 3}, training.SFT, 0.5},
		{Counts{Triplets: 100}, Thresholds{}, training.Embedding, 0.5},
		{Counts{Triplets: 5}, Thresholds{Triplets: 5}, training.Embedding, 0.5},
	} {
		got, err := Choose(c.counts, c.thresholds)
		require.NoError(t, err)
		assert.Equal(t, c.method, got.Method)
		assert.InDelta(t, c.confidence, got.Confidence, 1e-9)
		assert.NotEmpty(t, got.Reason)
	}
	for _, c := range []Counts{{}, {Pairs: 19}, {Pairs: 19, Examples: 49}, {Triplets: 99}, {Pairs: 1, Triplets: 1000}} {
		_, err := Choose(c, Thresholds{})
		require.ErrorContains(t, err, "too little to choose a method")
		assert.Equal(t, fault.Input, fault.ClassOf(err))
	}
	_, err := Choose(Counts{Pairs: 19, Examples: 49}, Thresholds{})
	require.ErrorContains(t, err, "19 of 20 preference pairs (DPO), 49 of 50 examples (SFT), 0 of 100 triplets (embedding); add 1 pair or 1 example, or name the method")
}

package video

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEstimateShots: short windows split shots, whatever their content.
func TestEstimateShots(t *testing.T) {
	t.Parallel()
	film := Media{VideoCodec: "h264", DurationMS: 60_000}
	for window, want := range map[int64]int{30_000: 12, 2_000: 30} {
		s := Profile{Sampling: Sampling{Strategy: Shots, WindowMS: window}}.Normal().Sampling
		require.Equal(t, want, s.EstimateFrames(film))
	}
}

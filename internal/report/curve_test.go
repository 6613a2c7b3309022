package report

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestThin: no spike of a long series is lost.
func TestThin(t *testing.T) {
	t.Parallel()
	points := make([]XY, 60_000)
	for i := range points {
		points[i] = XY{float64(i), 1}
	}
	points[12_345].Y = 9
	assert.Contains(t, thin(points, 60_000), XY{12_345, 9})
}

func TestSmooth(t *testing.T) {
	t.Parallel()
	flat := Smooth([]XY{{1, 2}, {2, 2}, {3, math.NaN()}, {4, 2}})
	require.Len(t, flat, 3)
	for _, p := range flat {
		assert.InDelta(t, 2, p.Y, 1e-12, "the first values are not pulled to zero")
	}
}

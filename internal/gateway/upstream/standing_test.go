package upstream

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStanding: a server that has to be started comes after those that run, and before full ones.
func TestStanding(t *testing.T) {
	t.Parallel()
	idle, half, cold := standing{}, standing{load: 0.5}, standing{onDemand: true}
	full, over, out := standing{load: 1}, standing{load: 1.5}, standing{out: true}
	all := []standing{out, over, full, cold, half, idle}
	slices.SortStableFunc(all, standing.compare)
	require.Equal(t, []standing{idle, half, cold, full, over, out}, all)
}

package mipro_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// pairs draws scores of two programs on the same examples.
func pairs(rng *rand.Rand, n int, gain float64) (before, after []float64) {
	score := func(p float64) float64 {
		if rng.Float64() < p {
			return 1
		}
		return 0
	}
	for range n {
		p := 0.2 + 0.6*rng.Float64() // how hard the example is, for both
		before = append(before, score(p))
		after = append(after, score(p+gain))
	}
	return before, after
}

// TestConfirm: of 500 programs that are no better at most one in twenty is
// promoted; of those that are much better, most are.
func TestConfirm(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	promoted := map[float64]int{}
	for _, gain := range []float64{0, 0.15} {
		for run := range 500 {
			before, after := pairs(rng, 100, gain)
			if mipro.Confirm(before, after, int64(run)).Promote {
				promoted[gain]++
			}
		}
	}
	t.Logf("promoted of 500: %d that are no better, %d that are 15 points better", promoted[0], promoted[0.15])
	require.LessOrEqual(t, promoted[0], 25)
	require.Greater(t, promoted[0.15], 300)
}

func TestConfirmFewOrEqual(t *testing.T) {
	t.Parallel()
	for _, scores := range [][2][]float64{{nil, nil}, {{0}, {1}}, {{0, 0}, {1, 1}}, {{1, 0, 1}, {1, 0, 1}}, {{1, 1, 1, 1, 1, 1}, {0, 0, 0, 0, 0, 0}}} {
		v := mipro.Confirm(scores[0], scores[1], 1)
		require.False(t, v.Promote, "%v", v)
		require.Equal(t, v, mipro.Confirm(scores[0], scores[1], 1))
	}
	v := mipro.Confirm(make([]float64, 8), []float64{1, 1, 1, 1, 1, 1, 1, 1}, 1)
	require.True(t, v.Promote)
	require.InDelta(t, 1, v.After, 1e-12)
}

func TestSetAside(t *testing.T) {
	t.Parallel()
	var rows []*prompt.Object
	for i := range 25 {
		rows = append(rows, python.NewObject("i", int64(i)))
	}
	search, confirm := mipro.SetAside(rows, 9)
	require.Len(t, search, 18)
	require.Len(t, confirm, 7)
	require.ElementsMatch(t, rows, append(search, confirm...))
	search, confirm = mipro.SetAside(rows[:9], 9)
	require.Len(t, search, 9)
	require.Empty(t, confirm)
}

package confirm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// gainsOf draws the gains of a program on examples: both are right or wrong, by how
// hard the example is for both.
func gainsOf(rng *rand.Rand, n int, gain float64) []float64 {
	gains := make([]float64, n)
	for i := range gains {
		p := 0.2 + 0.6*rng.Float64()
		if rng.Float64() < p+gain {
			gains[i]++
		}
		if rng.Float64() < p {
			gains[i]--
		}
	}
	return gains
}

// confirmed looks at gains after every batch until they decide.
func confirmed(gains []float64, level float64, looks int, seed int64) (better bool, rows int) {
	test := newPaired(level, len(gains), seed)
	for k := 1; ; k++ {
		to := len(gains) * k / looks
		for _, g := range gains[len(test.gains):to] {
			test.add(g)
		}
		if f := test.look(); f.better || f.futile {
			return f.better, to
		}
	}
}

// trial is what many confirmations come to.
type trial struct{ promoted, rows float64 }

func repeat(runs, n int, gain, level float64, looks int) trial {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(looks)))
	var out trial
	for run := range runs {
		better, rows := confirmed(gainsOf(rng, n, gain), level, looks, int64(run))
		if better {
			out.promoted += 1 / float64(runs)
		}
		out.rows += float64(rows) / float64(runs)
	}
	return out
}

// TestPairedFalsePromotions: of programs that are no better, no more are promoted
// than the level says, however often it is looked.
func TestPairedFalsePromotions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, looks int
		level    float64
	}{{8, 1, 0.05}, {64, 4, 0.05}, {129, 8, 0.05}, {64, 4, 0.005}} {
		t.Run(fmt.Sprintf("%d rows, %d looks, level %v", c.n, c.looks, c.level), func(t *testing.T) {
			t.Parallel()
			const runs = 200
			for _, gain := range []float64{0, -0.03} {
				out := repeat(runs, c.n, gain, c.level, c.looks)
				t.Logf("gain %v: %.4f promoted, %.1f rows", gain, out.promoted, out.rows)
				require.LessOrEqual(t, out.promoted*runs, float64(chanceLimit(runs, c.level)))
			}
		})
	}
}

// chanceLimit is what a share of runs comes to at most, but for one case in a thousand.
func chanceLimit(runs int, share float64) int {
	below, term := 0.0, 1.0
	for range runs {
		term *= 1 - share
	}
	for k := 0; ; k++ {
		if below += term; below >= 0.999 {
			return k
		}
		term *= float64(runs-k) / float64(k+1) * share / (1 - share)
	}
}

// TestPairedPower: looking eight times finds a little less and saves more than a
// third of the rows; where there are more rows to fall back on, a fifth of the level
// finds about as much as one look does.
func TestPairedPower(t *testing.T) {
	t.Parallel()
	const runs = 80
	former := repeat(runs, 129, 0.13, 0.05, 1)
	same := repeat(runs, 129, 0.13, 0.05, 8)
	strict := repeat(runs, 300, 0.13, 0.01, 8)
	t.Logf("one look %+v, eight %+v, a fifth of the level with up to 300 rows %+v", former, same, strict)
	require.Greater(t, same.promoted, 0.8*former.promoted)
	require.Less(t, same.rows, 0.66*former.rows)
	require.Greater(t, strict.promoted, 0.9*former.promoted)
	require.Less(t, strict.rows, 200.0)
}

func constant(n int, gain float64) []float64 {
	gains := make([]float64, n)
	for i := range gains {
		gains[i] = gain
	}
	return gains
}

func TestPairedExtremes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		gains  []float64
		looks  int
		better bool
		rows   int
	}{
		{"all gained", constant(96, 1), 6, true, 16},
		{"all gained a little", constant(96, 0.01), 6, true, 16},
		{"all lost", constant(96, -1), 6, false, 16},
		{"all equal", constant(96, 0), 6, false, 48},
		{"one row", constant(1, 1), 1, false, 1},
		{"two rows", constant(2, 1), 1, false, 2},
		{"eight rows gained", constant(8, 1), 1, true, 8},
		{"as much gained as lost", append(constant(8, 1), constant(8, -1)...), 1, false, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			better, rows := confirmed(c.gains, 0.05, c.looks, 3)
			require.Equal(t, c.better, better)
			require.Equal(t, c.rows, rows)
		})
	}
}

// TestStudentQuantile: against tables.
func TestStudentQuantile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		share   float64
		degrees int
		want    float64
	}{{0.05, 1, 6.3138}, {0.05, 2, 2.9200}, {0.05, 3, 2.3534}, {0.05, 15, 1.7531}, {0.01, 15, 2.6025}, {0.001, 50, 3.2614}, {0.05, 100000, 1.6449}} {
		require.InEpsilon(t, c.want, studentQuantile(c.share, c.degrees), 0.01)
	}
}

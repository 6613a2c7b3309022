package confirm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// gainsOf draws the gains of a program on examples: both programs are right or wrong,
// depending on the difficulty of the example, which is the same for both.
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

// confirmed analyses the gains after every batch until the test stops.
func confirmed(gains []float64, level float64, analyses int, seed int64) (better bool, rows int) {
	test := newPaired(level, len(gains), seed)
	for k := 1; ; k++ {
		to := len(gains) * k / analyses
		for _, g := range gains[len(test.gains):to] {
			test.add(g)
		}
		if f := test.analyse(); f.better || f.futile {
			return f.better, to
		}
	}
}

// trial is the mean result of many confirmations.
type trial struct{ promoted, rows float64 }

func repeat(runs, n int, gain, level float64, analyses int) trial {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(analyses)))
	var out trial
	for run := range runs {
		better, rows := confirmed(gainsOf(rng, n, gain), level, analyses, int64(run))
		if better {
			out.promoted += 1 / float64(runs)
		}
		out.rows += float64(rows) / float64(runs)
	}
	return out
}

// TestPairedFalsePromotions: the false positive rate is at most the level, for any number
// of interim analyses.
func TestPairedFalsePromotions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, analyses int
		level       float64
	}{{8, 1, 0.05}, {64, 4, 0.05}, {129, 8, 0.05}, {64, 4, 0.005}} {
		t.Run(fmt.Sprintf("%d rows, %d analyses, level %v", c.n, c.analyses, c.level), func(t *testing.T) {
			t.Parallel()
			const runs = 200
			for _, gain := range []float64{0, -0.03} {
				out := repeat(runs, c.n, gain, c.level, c.analyses)
				t.Logf("gain %v: %.4f promoted, %.1f rows", gain, out.promoted, out.rows)
				require.LessOrEqual(t, out.promoted*runs, float64(chanceLimit(runs, c.level)))
			}
		})
	}
}

// chanceLimit is the 99.9 % quantile of the binomial distribution.
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

// TestPairedPower: with eight analyses the power is slightly lower, but more than a third of
// the rows are saved. With more rows available, a fifth of the level has about the same
// power as a single analysis.
func TestPairedPower(t *testing.T) {
	t.Parallel()
	const runs = 80
	former := repeat(runs, 129, 0.13, 0.05, 1)
	same := repeat(runs, 129, 0.13, 0.05, 8)
	strict := repeat(runs, 300, 0.13, 0.01, 8)
	t.Logf("one analysis %+v, eight %+v, a fifth of the level with up to 300 rows %+v", former, same, strict)
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
		name     string
		gains    []float64
		analyses int
		better   bool
		rows     int
	}{
		{"all gained", constant(96, 1), 6, true, 16},
		{"all gained a little", constant(96, 0.01), 6, true, 16},
		{"all lost", constant(96, -1), 6, false, 16},
		{"all equal", constant(96, 0), 6, false, 48},
		{"one row", constant(1, 1), 1, false, 1},
		{"two rows", constant(2, 1), 1, false, 2},
		{"eight rows gained", constant(8, 1), 1, true, 8},
		{"equal gains and losses", append(constant(8, 1), constant(8, -1)...), 1, false, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			better, rows := confirmed(c.gains, 0.05, c.analyses, 3)
			require.Equal(t, c.better, better)
			require.Equal(t, c.rows, rows)
		})
	}
}

// TestStudentQuantile compares with published tables.
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

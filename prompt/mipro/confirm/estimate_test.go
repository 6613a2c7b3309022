package confirm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
)

// ended is the result of a confirmation of a program with a known true gain.
type ended struct {
	truth    float64
	mean     float64 // of the observed gains
	gain     *prompt.Gain
	promoted bool
	early    bool // after at most half of the rows
}

// Kinds of metrics, as the gain on one row.
func rights(rng *rand.Rand, truth float64) float64 { return gainsOf(rng, 1, truth)[0] }

func seldom(rng *rand.Rand, truth float64) float64 { // most answers do not change
	switch draw := rng.Float64(); {
	case draw < 0.04+max(truth, 0):
		return 1
	case draw < 0.08+math.Abs(truth):
		return -1
	}
	return 0
}

func shares(rng *rand.Rand, truth float64) float64 { // such as F1
	return min(max(truth+0.2*rng.NormFloat64(), -1), 1)
}

// confirmOne analyses the gains after every batch until the test stops.
func confirmOne(rng *rand.Rand, metric func(*rand.Rand, float64) float64, truth, level float64, planned int) ended {
	test, gain := newPaired(level, planned, rng.Int64()), newEstimator(planned)
	analyses := min(max(planned/minBatch, 1), maxAnalyses)
	for k := 1; ; k++ {
		for len(test.gains) < planned*k/analyses {
			test.add(metric(rng, truth))
		}
		f := test.analyse()
		g := gain.estimate(test.gains, f.better)
		if f.better || f.futile {
			_, mean, _ := test.moments()
			return ended{truth, mean, g, f.better, 2*len(test.gains) <= planned}
		}
	}
}

// TestGainInterval: the interval contains the true gain in at least 95 % of the confirmations,
// for every true gain and although confirmations stop early. It agrees with the test.
func TestGainInterval(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		metric  func(*rand.Rand, float64) float64
		level   float64
		planned int
		truths  []float64
	}{
		"right or wrong":               {rights, 0.05, 128, []float64{-0.15, 0, 0.06, 0.15}},
		"right or wrong, strict level": {rights, 0.005, 128, []float64{0, 0.1, 0.19}},
		"few rows":                     {rights, 0.05, 40, []float64{-0.1, 0, 0.1, 0.19}},
		"few changed answers":          {seldom, 0.05, 128, []float64{-0.2, 0, 0.05, 0.2, 0.4, 0.8}},
		"shares":                       {shares, 0.05, 96, []float64{-0.1, 0, 0.02, 0.1, 0.4}},
		"very few rows":                {seldom, 0.05, 5, []float64{-0.3, 0, 0.3, 0.9}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const runs = 120
			rng := rand.New(rand.NewPCG(11, uint64(c.planned)))
			for _, truth := range c.truths {
				missed, width := 0, 0.0
				for range runs {
					e := confirmOne(rng, c.metric, truth, c.level, c.planned)
					if truth < e.gain.Low || truth > e.gain.High || e.promoted && truth <= 0 {
						missed++
					}
					width += (e.gain.High - e.gain.Low) / runs
					require.True(t, e.gain.Low <= e.gain.Estimate && e.gain.Estimate <= e.gain.High)
					require.True(t, e.promoted == (e.gain.Low > 0) || e.gain.Low == 0, "%+v", e.gain)
				}
				t.Logf("true gain %v: %d of %d missed, width %.2f", truth, missed, runs, width)
				require.LessOrEqual(t, missed, chanceLimit(runs, 0.05))
			}
		})
	}
}

// found is the true gain of a program that a search chose: the best of several, by scores on
// rows of its own. Now and then what it replaces hardly works.
func found(rng *rand.Rand) float64 {
	best, score := 0.0, math.Inf(-1)
	for range 6 {
		truth := 0.04 + 0.10*rng.NormFloat64()
		if s := truth + 0.06*rng.NormFloat64(); s > score {
			best, score = truth, s
		}
	}
	if rng.Float64() < 0.1 {
		best += 0.2 + 0.3*rng.Float64()
	}
	return min(max(best, -0.3), 0.7)
}

// TestGainEstimate: for programs that a search found, the estimated gain has little bias: for all of
// them, for those that are promoted, and for those that are promoted early. The mean of the rows
// overstates the gain of the latter by up to ten points.
func TestGainEstimate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		metric  func(*rand.Rand, float64) float64
		level   float64
		planned int
	}{
		"128 rows": {seldom, 0.05, 128}, "128 rows, strict level": {seldom, 0.005, 128}, "40 rows": {seldom, 0.05, 40}, "shares": {shares, 0.02, 96},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(12, uint64(c.planned)))
			var all, promoted, early, rawAll, rawPromoted, rawEarly errors
			for range 350 {
				e := confirmOne(rng, c.metric, found(rng), c.level, c.planned)
				all.add(e.gain.Estimate - e.truth)
				rawAll.add(e.mean - e.truth)
				if e.promoted {
					promoted.add(e.gain.Estimate - e.truth)
					rawPromoted.add(e.mean - e.truth)
				}
				if e.promoted && e.early {
					early.add(e.gain.Estimate - e.truth)
					rawEarly.add(e.mean - e.truth)
				}
			}
			t.Logf("estimate: all %v, promoted %v, early %v", all, promoted, early)
			t.Logf("mean:     all %v, promoted %v, early %v", rawAll, rawPromoted, rawEarly)
			require.Less(t, math.Abs(promoted.bias()), 0.02)
			require.Less(t, math.Abs(early.bias()), 0.035)
			require.Less(t, all.size(), rawAll.size())
			require.Less(t, promoted.size(), 1.05*rawPromoted.size())
		})
	}
}

// errors of estimates.
type errors struct{ n, sum, squares float64 }

func (e *errors) add(x float64) {
	e.n++
	e.sum += x
	e.squares += x * x
}

func (e errors) String() string {
	return fmt.Sprintf("%+.3f (%.3f; %.0f)", e.bias(), e.size(), e.n)
}

func (e errors) bias() float64 { return e.sum / e.n }
func (e errors) size() float64 { return math.Sqrt(e.squares / e.n) }

// TestGainOfEqualScores: equal scores have an estimated gain of zero.
func TestGainOfEqualScores(t *testing.T) {
	t.Parallel()
	g := newEstimator(96).estimate(make([]float64, 48), false)
	require.Zero(t, g.Estimate)
	require.Less(t, g.Low, -0.01)
	require.InDelta(t, -g.Low, g.High, 1e-12)
	sure := newEstimator(16).estimate(constant(16, 1), true)
	require.Less(t, sure.Low, 0.9)
	require.InDelta(t, 1, sure.High, 1e-12)
	require.Greater(t, sure.Estimate, 0.9)
	one := newEstimator(1).estimate([]float64{1}, false)
	require.LessOrEqual(t, one.Low, 0.0)
}

// TestBoundary: without a true gain, the sums cross the boundary as often as the level over all analyses.
func TestBoundary(t *testing.T) {
	t.Parallel()
	alone := boundary{level: 0.025}
	require.InDelta(t, 1.96, alone.next(1), 0.01)
	b := boundary{level: 0.05}
	var limits []float64
	for k := 1; k <= 8; k++ {
		limits = append(limits, b.next(float64(k)/8))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	const runs = 100_000
	crossed := 0
	for range runs {
		sum := 0.0
		for k, limit := range limits {
			if sum += rng.NormFloat64(); sum > limit*math.Sqrt(float64(k+1)) {
				crossed++
				break
			}
		}
	}
	t.Logf("%v: %d of %d", limits, crossed, runs)
	require.InDelta(t, 0.05, float64(crossed)/runs, 0.003)
}

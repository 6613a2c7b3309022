package confirm

import (
	"math"

	"github.com/cogniverse/cogflow/prompt"
)

// estimator estimates the true gain from the gains so far. A confirmation that stops early
// tends to stop after lucky rows, so the mean gain of its rows is biased upwards. The
// interval is a repeated confidence interval: over all interim analyses it misses the true
// gain with a probability of at most 1 - prompt.GainConfidence. The estimate is the
// posterior mean of the gain, which does not depend on the stopping rule.
// See decision 027.
type estimator struct {
	planned int
	spent   boundary
}

// The prior of the true gain is a mixture of two normal distributions around zero. Nine in
// ten programs have the usual spread, that of the races in docs/benchmarks/mipro; the
// others replace a program that hardly works.
const (
	usualSpread = 0.16
	largeSpread = 0.50
	largeShare  = 0.10
)

// Gains are from -1 to 1. Their variance is estimated as if there were addedRows more rows
// with a variance of addedVariance, because few equal rows are no evidence of a small variance.
const (
	addedRows     = 4
	addedVariance = 0.25
)

func newEstimator(planned int) *estimator {
	return &estimator{planned: planned, spent: boundary{level: (1 - prompt.GainConfidence) / 2}}
}

// estimate returns the interval and the estimate after the next batch. promoted is the
// result of the test, which alone decides whether the interval includes zero.
func (e *estimator) estimate(gains []float64, promoted bool) *prompt.Gain {
	n := float64(len(gains))
	mean, deviation := momentsOf(gains)
	variance := (deviation*deviation*(n-1) + addedRows*addedVariance) / (n - 1 + addedRows)
	stdErr := math.Sqrt(variance / n)
	beyond := normalTail(e.spent.next(n / float64(e.planned)))
	half := studentQuantile(beyond, max(len(gains)-1, 1)) * stdErr
	g := &prompt.Gain{Low: max(mean-half, -1), High: min(mean+half, 1)}
	if promoted {
		g.Low = max(g.Low, 0)
	} else {
		g.Low = min(g.Low, 0)
	}
	g.Estimate = min(max(shrunk(mean, stdErr), g.Low), g.High)
	return g
}

func momentsOf(gains []float64) (mean, deviation float64) {
	p := paired{gains: gains}
	_, mean, deviation = p.moments()
	return mean, deviation
}

// shrunk is the posterior mean of the gain, given the mean of the rows and its standard error.
func shrunk(mean, stdErr float64) float64 {
	var all, sum float64
	// The likelihood is scaled by that of the larger spread, which is never zero.
	widest := largeSpread*largeSpread + stdErr*stdErr
	for _, kind := range []struct{ spread, share float64 }{{usualSpread, 1 - largeShare}, {largeSpread, largeShare}} {
		of := kind.spread * kind.spread
		variance := of + stdErr*stdErr
		weight := kind.share * math.Exp(mean*mean/2*(1/widest-1/variance)) / math.Sqrt(variance)
		all += weight
		sum += weight * mean * of / variance
	}
	return sum / all
}

// boundary computes the critical values of normal sums by alpha spending, as paired does (Lan
// and DeMets, 1983).
type boundary struct {
	level   float64
	share   float64 // of the rows, at the last analysis
	sums    []float64
	density []float64 // of the sums that have not crossed the boundary
}

// cells is the number of grid cells for sums, from -reach to reach standard deviations.
const (
	cells = 256
	reach = 5.0
)

// next returns the critical value of the next analysis, in standard deviations of the sum,
// after a share of all rows.
func (b *boundary) next(share float64) float64 {
	spend := b.level * (math.Pow(share, spending) - math.Pow(b.share, spending))
	scale, step := math.Sqrt(share), 2*reach*math.Sqrt(share)/cells
	sums, density := make([]float64, cells+1), make([]float64, cells+1)
	for i := range sums {
		sums[i] = -reach*scale + float64(i)*step
		density[i] = b.densityAt(sums[i], share-b.share)
	}
	tail, top := 0.0, cells
	for top > 0 {
		cell := (density[top] + density[top-1]) / 2 * step
		if tail+cell > spend {
			break
		}
		tail += cell
		top--
	}
	limit := sums[top]
	if top > 0 { // within the cell
		limit -= step * (spend - tail) / ((density[top] + density[top-1]) / 2 * step)
	}
	b.share, b.sums, b.density = share, sums[:top], density[:top]
	return limit / scale
}

// densityAt is the density of a sum, to which normal noise was added since the last analysis.
func (b *boundary) densityAt(sum, variance float64) float64 {
	normal := func(x float64) float64 { return math.Exp(-x*x/2/variance) / math.Sqrt(2*math.Pi*variance) }
	if b.sums == nil {
		return normal(sum)
	}
	total := 0.0
	for i, from := range b.sums {
		total += b.density[i] * normal(sum-from)
	}
	return total * (b.sums[1] - b.sums[0])
}

// normalTail is the upper tail probability of the standard normal distribution.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

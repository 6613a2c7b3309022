package confirm

import (
	"math"

	"github.com/cogniverse/cogflow/prompt"
)

// estimator says by the gains so far how large the true gain may be. A confirmation
// that ends when it can tell ends at lucky rows above all, so that the mean gain
// of its rows is too high. The interval is a repeated confidence interval: all looks
// together miss the true gain no more often than 1 - prompt.GainConfidence. The
// estimate is the mean that the gain has by the prior, given these rows: for whoever
// believes the prior, when and why the rows ended is of no account.
// See decision 027.
type estimator struct {
	planned int
	spent   boundary
}

// The prior of the true gain, normal around zero: nine in ten programs are of the usual
// kind, whose spread is that of what races found in docs/benchmarks/mipro; the others
// replace a program that hardly works.
const (
	usualSpread = 0.16
	largeSpread = 0.50
	largeShare  = 0.10
)

// Gains are from -1 to 1. Their variance is estimated as if so many rows more had been
// seen, with one of a quarter: few rows that are all alike prove no certainty.
const (
	addedRows     = 4
	addedVariance = 0.25
)

func newEstimator(planned int) *estimator {
	return &estimator{planned: planned, spent: boundary{level: (1 - prompt.GainConfidence) / 2}}
}

// look says what is known after the next batch. promoted is what the test says, which
// alone decides whether the gain may be zero or less.
func (e *estimator) look(gains []float64, promoted bool) *prompt.Gain {
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

// shrunk is the mean of the gain by the prior, given a mean of rows and its error.
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

// boundary spends a level look by look, as paired does, on what normal sums may reach
// when there is nothing to find (Lan and DeMets, 1983).
type boundary struct {
	level   float64
	share   float64 // of the rows, at the last look
	sums    []float64
	density []float64 // of the sums that crossed at no look so far
}

// cells is how finely sums are distinguished, from -reach to reach standard deviations.
const (
	cells = 256
	reach = 5.0
)

// next is the number of standard deviations that the sum may reach at the next look,
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

// densityAt is that of a sum, which has grown by normal noise since the last look.
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

// normalTail is how often a normal number is above z.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

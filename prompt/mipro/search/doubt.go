package search

import (
	"maps"
	"math"
)

// Doubt is the estimated probability that the best choice is not better than the original
// program.
func (r *Race) Doubt() float64 {
	_, best := r.Best()
	if maps.Equal(best, r.first()) {
		return 1
	}
	gain, deviation := newScoreTable(r.trials).model(r.names).gain(r.first(), best)
	return normal(-gain / max(deviation, 1e-9))
}

// gain returns the posterior mean and standard deviation of the difference between two
// choices.
func (g *gaussian) gain(from, to map[string]int) (mean, deviation float64) {
	k, a, b := make([]float64, len(g.tried)), g.point(from), g.point(to)
	for i, t := range g.tried {
		k[i] = g.covariance(b, t) - g.covariance(a, t)
		mean += k[i] * g.alpha[i]
	}
	variance := g.covariance(a, a) - 2*g.covariance(a, b) + g.covariance(b, b)
	for _, x := range g.forward(k) {
		variance -= x * x
	}
	return mean, math.Sqrt(max(variance, 0))
}

// normal is the cumulative distribution function of the standard normal distribution.
func normal(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

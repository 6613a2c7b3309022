package training

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// Limits of the permutation test.
const (
	exactPairs     = 16     // up to 2^16 sign patterns are enumerated
	signDraws      = 10_000 // otherwise this many are drawn
	bootstrapDraws = 2_000
)

// newDraws is a fixed sequence: the same rows give the same result.
func newDraws() *rand.Rand { return rand.New(rand.NewPCG(42, 1729)) } //nolint:gosec // statistics, no secret

// pairedTest computes how likely differences as large as these are if both models are
// equally good. For binary metrics that is McNemar's exact test, which is the sign-flip
// test in closed form.
func pairedTest(before, after, differences []float64) (p float64, test string) {
	if isBinary(before) && isBinary(after) {
		return mcNemar(differences), "McNemar, exact"
	}
	return signFlip(differences)
}

// signFlip computes how often random signs make a sum as large as the observed one.
func signFlip(differences []float64) (p float64, test string) {
	var moved []float64 // a difference of 0 has no sign to flip
	for _, d := range differences {
		if d != 0 {
			moved = append(moved, math.Abs(d))
		}
	}
	observed := math.Abs(sum(differences))
	if len(moved) <= exactPairs {
		return signFlipExact(moved, observed), "sign-flip, exact"
	}
	return signFlipDrawn(moved, observed), fmt.Sprintf("sign-flip, %d draws", signDraws)
}

func isBinary(values []float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return v != 0 && v != 1 })
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}

// reaches allows for rounding: sums of the same numbers in another order.
func reaches(s, observed float64) bool { return math.Abs(s) >= observed*(1-1e-9) }

// signFlipExact enumerates all sign patterns in Gray code order, one flip at a time.
func signFlipExact(moved []float64, observed float64) float64 {
	s := sum(moved)
	patterns, hits := uint(1)<<len(moved), 0
	var negative uint
	for i := uint(0); ; {
		if reaches(s, observed) {
			hits++
		}
		if i++; i == patterns {
			return float64(hits) / float64(patterns)
		}
		k := bits.TrailingZeros(i)
		if negative ^= 1 << k; negative&(1<<k) != 0 {
			s -= 2 * moved[k]
		} else {
			s += 2 * moved[k]
		}
	}
}

func signFlipDrawn(moved []float64, observed float64) float64 {
	draws, hits := newDraws(), 1 // the pattern that was observed is one of them
	for range signDraws {
		var s float64
		var coins uint64
		for i, d := range moved {
			if i%64 == 0 {
				coins = draws.Uint64()
			}
			if coins&1 == 0 {
				s += d
			} else {
				s -= d
			}
			coins >>= 1
		}
		if reaches(s, observed) {
			hits++
		}
	}
	return float64(hits) / (signDraws + 1)
}

// mcNemar is twice the smaller tail of a fair coin over the rows that changed.
func mcNemar(differences []float64) float64 {
	var gained, lost int
	for _, d := range differences {
		switch {
		case d > 0:
			gained++
		case d < 0:
			lost++
		}
	}
	n, k := gained+lost, min(gained, lost)
	var tail float64
	for i := range k + 1 {
		tail += math.Exp(logChoose(n, i) - float64(n)*math.Ln2)
	}
	return min(1, 2*tail)
}

func logChoose(n, k int) float64 {
	lg := func(v int) float64 { r, _ := math.Lgamma(float64(v) + 1); return r }
	return lg(n) - lg(k) - lg(n-k)
}

// bootstrap is the 95 % percentile interval of the mean.
func bootstrap(differences []float64) (low, high float64) {
	draws, n := newDraws(), len(differences)
	means := make([]float64, bootstrapDraws)
	for i := range means {
		var s float64
		for range n {
			s += differences[draws.IntN(n)]
		}
		means[i] = s / float64(n)
	}
	slices.Sort(means)
	return means[bootstrapDraws*25/1000], means[bootstrapDraws*975/1000-1]
}

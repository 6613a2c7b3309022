package confirm

import (
	"math"
	"math/rand/v2"
	"slices"
)

// paired is a group-sequential paired test: it decides from the differences of paired
// scores (gains) whether one program is better than another. It has several interim
// analyses and can stop at each, for efficacy or for futility. The significance level is
// spent analysis by analysis (alpha spending), so the false positive rate of all
// analyses together is at most the level.
//
// It is a permutation test: it swaps the scores of random pairs many times, follows the
// decision of the test for each permutation, and counts the permutations that would be
// significant. It makes no assumption about the distribution of the scores, and is a
// function of the seed and the gains.
type paired struct {
	level   float64
	planned int // maximum number of pairs
	seed    int64

	gains    []float64
	permuted []float64 // sum of the gains, by permutation
	outcomes []outcome // by permutation
}

// outcome is the decision of an interim analysis for a permutation.
type outcome byte

const (
	undecided outcome = iota
	significant
	futile
)

// analysis is the result of an interim analysis.
type analysis struct {
	chance float64 // p-value: the probability of such a gain if neither is better
	bound  float64 // lower confidence bound of the gain at the level
	better bool
	futile bool // significance has become too improbable
}

const (
	permutations = 3_999
	spending     = 1.25 // (pairs / planned)^spending of the level can be spent by an analysis
	minPower     = 0.15 // minimum predictive probability of final significance to continue
	equalShare   = 0.40 // of the pairs; if all have equal scores, the test stops
	rounding     = 1e-9
)

// The prior of the true gain for the futility bound: normal. Programs that a search prefers are
// better on average, so a few unlucky pairs do not end the test.
const (
	expectedGain = 0.08
	gainSpread   = 0.10
)

func newPaired(level float64, planned int, seed int64) *paired {
	return &paired{level: level, planned: planned, seed: seed, permuted: make([]float64, permutations), outcomes: make([]outcome, permutations)}
}

// add adds the gain on the next pair. The permutations of a pair depend only on the seed and
// the position of the pair.
func (p *paired) add(gain float64) {
	p.gains = append(p.gains, gain)
	source := rand.NewPCG(uint64(p.seed), uint64(len(p.gains)))
	signs := uint64(0)
	for i := range p.permuted {
		if i%64 == 0 {
			signs = source.Uint64()
		}
		if signs&1 == 1 {
			p.permuted[i] -= gain
		} else {
			p.permuted[i] += gain
		}
		signs >>= 1
	}
}

// analyse performs an interim analysis.
func (p *paired) analyse() analysis {
	total, mean, deviation := p.moments()
	share := float64(len(p.gains)) / float64(p.planned)
	critical, before := p.critical(total, int(p.level*math.Pow(share, spending)*(permutations+1)+rounding))
	futilityBound := p.futilityBound(share)
	extreme, above := 1+before, 1
	for i, sum := range p.permuted {
		if sum >= critical-rounding { // of all permutations: the nominal level of this analysis
			above++
		}
		if p.outcomes[i] != undecided {
			continue
		}
		if sum >= total-rounding {
			extreme++
		}
		switch {
		case sum >= critical-rounding:
			p.outcomes[i] = significant
		case sum < futilityBound:
			p.outcomes[i] = futile
		}
	}
	f := analysis{chance: float64(extreme) / (permutations + 1), bound: -1}
	if n := len(p.gains); n > 1 {
		// Stopping for futility frees a part of the level beyond that of a single analysis;
		// the bound does not use it.
		nominal := min(float64(above)/(permutations+1), p.level)
		f.bound = max(mean-studentQuantile(nominal, n-1)*deviation/math.Sqrt(float64(n)), -1)
	}
	f.better = total >= critical-rounding && f.bound > 0
	f.futile = !f.better && (share >= 1 || total < futilityBound)
	return f
}

func (p *paired) moments() (total, mean, deviation float64) {
	n := float64(len(p.gains))
	for _, g := range p.gains {
		total += g
	}
	mean = total / n
	for _, g := range p.gains {
		deviation += (g - mean) * (g - mean)
	}
	return total, mean, math.Sqrt(deviation / max(n-1, 1))
}

// critical returns the critical value of the sum of the gains: at most the given number of
// permutations, including the observed data, reach it now or were significant before.
func (p *paired) critical(total float64, most int) (critical float64, before int) {
	sums := []float64{total}
	for i, sum := range p.permuted {
		if p.outcomes[i] == significant {
			before++
		}
		if p.outcomes[i] == undecided {
			sums = append(sums, sum)
		}
	}
	slices.Sort(sums)
	slices.Reverse(sums)
	critical = math.Inf(1)
	for i := 0; before+i < most && i < len(sums); i++ {
		if i+1 == len(sums) || sums[i+1] < sums[i]-rounding { // equal sums reach it together
			critical = sums[i]
		}
	}
	return critical, before
}

// futilityBound returns the sum of the gains below which the test stops for futility: the
// predictive probability of significance at the last analysis is below minPower (Spiegelhalter,
// Freedman and Blackburn, 1986). Given the gains, the sum of the other pairs is normal around
// their number times the posterior mean of the gain.
func (p *paired) futilityBound(share float64) float64 {
	if share >= 1 {
		return math.Inf(-1)
	}
	squares := 0.0
	for _, g := range p.gains {
		squares += g * g
	}
	if squares == 0 && share > equalShare {
		return rounding
	}
	if squares == 0 {
		return 0
	}
	n, all := float64(len(p.gains)), float64(p.planned)
	left, variance := all-n, squares/n
	prior := 1 / (gainSpread * gainSpread)
	precision := prior + n/variance
	deviation := math.Sqrt(left*left/precision + left*variance) // of the sum of the other pairs
	needed := normalQuantile(p.level)*math.Sqrt(variance*all) - normalQuantile(minPower)*deviation
	return (needed - left*expectedGain*prior/precision) / (1 + left/(precision*variance))
}

// normalQuantile is the upper quantile of the standard normal distribution.
func normalQuantile(share float64) float64 { return math.Sqrt2 * math.Erfinv(1-2*share) }

// studentQuantile is the upper quantile of Student's t-distribution, from 3 degrees of
// freedom on by Fisher's expansion around the normal distribution.
func studentQuantile(share float64, degrees int) float64 {
	switch degrees {
	case 1:
		return math.Tan(math.Pi * (0.5 - share))
	case 2:
		return (1 - 2*share) / math.Sqrt(2*share*(1-share))
	}
	z, d := normalQuantile(share), float64(degrees)
	z3, z5, z7 := z*z*z, z*z*z*z*z, z*z*z*z*z*z*z
	return z + (z3+z)/(4*d) + (5*z5+16*z3+3*z)/(96*d*d) + (3*z7+19*z5+17*z3-15*z)/(384*d*d*d)
}

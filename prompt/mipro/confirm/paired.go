package confirm

import (
	"math"
	"math/rand/v2"
	"slices"
)

// paired says by the gains on pairs of scores whether one program is better than
// another. It may be looked at several times and end at each, for better or in vain:
// the level is spent look by look, so that all looks together promote a program
// that is no better no more often than the level says.
//
// The test exchanges the two programs' scores at random, many times, follows what
// each exchange would have come to, and counts those that would have been taken for
// a gain by now. It assumes nothing about how scores are distributed, and is a
// function of seed and gains.
type paired struct {
	level   float64
	planned int // pairs at most
	seed    int64

	gains []float64
	flips []float64 // what the gains come to, by exchange
	ends  []ending  // of the exchanges
}

// ending is what a look made of an exchange.
type ending byte

const (
	goesOn ending = iota
	crossed
	givenUp
)

// finding is what a look comes to.
type finding struct {
	chance float64 // how often so much is gained, by now, when neither is better
	bound  float64 // below the true gain, but for the level
	better bool
	futile bool // it hardly can become better any more
}

const (
	exchanges = 3_999
	spending  = 1.5  // of the level, (pairs / planned)^spending may be spent by then
	hopeless  = 0.10 // to go on, it must be likely by so much to be better in the end
	rounding  = 1e-9
)

func newPaired(level float64, planned int, seed int64) *paired {
	return &paired{level: level, planned: planned, seed: seed, flips: make([]float64, exchanges), ends: make([]ending, exchanges)}
}

// add takes the gain on the next pair. The exchanges of a pair depend on seed and
// place alone.
func (p *paired) add(gain float64) {
	p.gains = append(p.gains, gain)
	source := rand.NewPCG(uint64(p.seed), uint64(len(p.gains)))
	signs := uint64(0)
	for i := range p.flips {
		if i%64 == 0 {
			signs = source.Uint64()
		}
		if signs&1 == 1 {
			p.flips[i] -= gain
		} else {
			p.flips[i] += gain
		}
		signs >>= 1
	}
}

// look says what is known by now.
func (p *paired) look() finding {
	total, mean, deviation := p.moments()
	share := float64(len(p.gains)) / float64(p.planned)
	bar, before := p.bar(total, int(p.level*math.Pow(share, spending)*(exchanges+1)+rounding))
	floor := p.floor(share)
	asMuch, above := 1+before, 1
	for i, sum := range p.flips {
		if sum >= bar-rounding { // of all exchanges: what this look alone stands for
			above++
		}
		if p.ends[i] != goesOn {
			continue
		}
		if sum >= total-rounding {
			asMuch++
		}
		switch {
		case sum >= bar-rounding:
			p.ends[i] = crossed
		case sum < floor:
			p.ends[i] = givenUp
		}
	}
	f := finding{chance: float64(asMuch) / (exchanges + 1), bound: -1}
	if n := len(p.gains); n > 1 {
		// Giving up what is in vain leaves more of the level than one look has; the bound
		// makes no use of it.
		alone := min(float64(above)/(exchanges+1), p.level)
		f.bound = max(mean-studentQuantile(alone, n-1)*deviation/math.Sqrt(float64(n)), -1)
	}
	f.better = total >= bar-rounding && f.bound > 0
	f.futile = !f.better && (share >= 1 || total < floor)
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

// bar is what the gains have to come to: of all exchanges, and of what was seen,
// at most so many reach it or crossed before.
func (p *paired) bar(total float64, most int) (bar float64, before int) {
	sums := []float64{total}
	for i, sum := range p.flips {
		if p.ends[i] == crossed {
			before++
		}
		if p.ends[i] == goesOn {
			sums = append(sums, sum)
		}
	}
	slices.Sort(sums)
	slices.Reverse(sums)
	bar = math.Inf(1)
	for i := 0; before+i < most && i < len(sums); i++ {
		if i+1 == len(sums) || sums[i+1] < sums[i]-rounding { // of equals all reach it or none
			bar = sums[i]
		}
	}
	return bar, before
}

// floor is what the gains have to come to for it to be worthwhile to go on: if they
// go on as they were, as far as is known, the last look would else promote too seldom.
func (p *paired) floor(share float64) float64 {
	if share >= 1 {
		return math.Inf(-1)
	}
	squares := 0.0
	for _, g := range p.gains {
		squares += g * g
	}
	z := normalQuantile(p.level)*math.Sqrt(share) - normalQuantile(hopeless)*math.Sqrt(1-share)
	if squares == 0 && z > 0 {
		return rounding // nothing was gained or lost
	}
	return z * math.Sqrt(squares)
}

// normalQuantile is what a normal number is above in a share of cases.
func normalQuantile(share float64) float64 { return math.Sqrt2 * math.Erfinv(1-2*share) }

// studentQuantile is what a number of Student's distribution is above in a share
// of cases, by Fisher's expansion around the normal one from 3 degrees on.
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

package mipro

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// level is how often a program that is no better may be promoted.
const level = 0.05

const (
	flips       = 1999
	leastToKeep = 10 // examples below which nothing is set aside
)

// SetAside parts examples into those that a search may see and those, three in
// ten, that only Confirm may. Of fewer than ten all are for the search, and
// nothing can be confirmed.
func SetAside(examples []*prompt.Object, seed int64) (search, confirm []*prompt.Object) {
	if len(examples) < leastToKeep {
		return examples, nil
	}
	aside := map[int]bool{}
	for _, i := range python.NewRandom(seed).Sample(len(examples), len(examples)*3/10) {
		aside[i] = true
	}
	for i, example := range examples {
		if aside[i] {
			confirm = append(confirm, example)
		} else {
			search = append(search, example)
		}
	}
	return search, confirm
}

// Confirm compares two programs by their scores on the same examples, which no
// search has seen. The chance is that of a test which exchanges the two programs'
// scores at random, and assumes nothing about how scores are distributed.
func Confirm(before, after []float64, seed int64) prompt.Verdict {
	n := min(len(before), len(after))
	v := prompt.Verdict{Examples: n, Chance: 1, Bound: math.Inf(-1)}
	if n < 2 {
		v.Bound = -1
		return v
	}
	gains := make([]float64, n)
	total := 0.0
	for i := range gains {
		gains[i] = after[i] - before[i]
		v.Before += before[i] / float64(n)
		v.After += after[i] / float64(n)
		total += gains[i]
	}
	mean, squares := total/float64(n), 0.0
	for _, g := range gains {
		squares += (g - mean) * (g - mean)
	}
	v.Bound = mean - studentQuantile(n-1)*math.Sqrt(squares/float64(n-1)/float64(n))
	v.Chance = chance(slices.DeleteFunc(gains, func(g float64) bool { return g == 0 }), total, seed)
	v.Promote = v.Chance <= level && v.Bound > 0
	return v
}

// chance is how often the gains come to total or more when each might as well
// have been a loss.
func chance(gains []float64, total float64, seed int64) float64 {
	source := rand.NewPCG(uint64(seed), 0)
	asMuch := 1
	for range flips {
		sum, signs := 0.0, uint64(0)
		for i, g := range gains {
			if i%64 == 0 {
				signs = source.Uint64()
			}
			if signs&1 == 1 {
				g = -g
			}
			signs >>= 1
			sum += g
		}
		if sum >= total-1e-12 {
			asMuch++
		}
	}
	return float64(asMuch) / (flips + 1)
}

// studentQuantile is the 95 % point of Student's distribution, by Fisher's
// expansion around the normal one; off by under 1 % from 3 degrees on, and too
// cautious below.
func studentQuantile(degrees int) float64 {
	const z = 1.6448536269514722
	d := float64(degrees)
	if degrees < 3 {
		return []float64{0, 6.3138, 2.9200}[degrees]
	}
	z3, z5, z7 := z*z*z, z*z*z*z*z, z*z*z*z*z*z*z
	return z + (z3+z)/(4*d) + (5*z5+16*z3+3*z)/(96*d*d) + (3*z7+19*z5+17*z3-15*z)/(384*d*d*d)
}

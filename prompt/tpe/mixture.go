package tpe

import (
	"math"
	"sort"

	"github.com/cogniverse/cogflow/prompt/python"
)

// mixture is a density over all choices: one kernel per trial, around its choice, and one
// uniform kernel as the prior. Sums are computed in NumPy's order, because two candidates may
// differ by less than its rounding.
type mixture struct {
	weights []float64     // of the kernels
	p       [][][]float64 // parameter, kernel, choice
}

func newMixture(params []Param, trials []Trial) *mixture {
	m := &mixture{weights: append(kernelWeights(len(trials)), 1)}
	total := sum(m.weights)
	for i := range m.weights {
		m.weights[i] /= total
	}
	for _, param := range params {
		kernels := make([][]float64, 0, len(trials)+1)
		for i := range len(trials) + 1 {
			row := make([]float64, param.Choices)
			for c := range row {
				row[c] = 1 / float64(len(trials)+1)
			}
			if i < len(trials) {
				row[trials[i].Choice[param.Name]]++
			}
			total := sum(row)
			for c := range row {
				row[c] /= total
			}
			kernels = append(kernels, row)
		}
		if len(trials) == 0 {
			for c := range kernels[0] {
				kernels[0][c] = 1 / float64(param.Choices)
			}
		}
		m.p = append(m.p, kernels)
	}
	return m
}

// kernelWeights are 1 for the last trials and decrease towards the first.
func kernelWeights(n int) []float64 {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1
	}
	ramp := n - recent
	if ramp <= 0 {
		return weights
	}
	low := 1 / float64(n)
	weights[0] = low
	if ramp > 1 {
		step := (1 - low) / float64(ramp-1)
		for i := range ramp - 1 {
			weights[i] = float64(i)*step + low
		}
		weights[ramp-1] = 1
	}
	return weights
}

// sample draws n points, each a choice by parameter.
func (m *mixture) sample(rng *python.RandomState, n int) [][]int {
	cdf := make([]float64, len(m.weights))
	total := 0.0
	for i, w := range m.weights {
		total += w
		cdf[i] = total
	}
	for i := range cdf {
		cdf[i] /= total
	}
	kernels := make([]int, n)
	for i, u := range rng.Floats(n) {
		kernels[i] = sort.Search(len(cdf), func(k int) bool { return cdf[k] > u })
	}
	points := make([][]int, n)
	for i := range points {
		points[i] = make([]int, len(m.p))
	}
	for d := range m.p {
		for i, u := range rng.Floats(n) {
			row := m.p[d][kernels[i]]
			total := 0.0
			for _, p := range row[:len(row)-1] { // the last counts as 1, which u never reaches
				if total += p; total < u {
					points[i][d]++
				}
			}
		}
	}
	return points
}

// logDensity is the logarithm of the density at x.
func (m *mixture) logDensity(x []int) float64 {
	logs := make([]float64, len(m.weights))
	greatest := math.Inf(-1)
	for k, w := range m.weights {
		for d := range m.p {
			logs[k] += log(m.p[d][k][x[d]])
		}
		logs[k] += log(w)
		greatest = max(greatest, logs[k])
	}
	for k := range logs {
		logs[k] = exp(logs[k] - greatest)
	}
	return log(sum(logs)) + greatest
}

// sum adds in NumPy's order: eight parallel sums, in blocks of 128.
func sum(x []float64) float64 {
	if len(x) < 8 {
		total := 0.0
		for _, v := range x {
			total += v
		}
		return total
	}
	if len(x) > 128 {
		half := len(x) / 2
		half -= half % 8
		return sum(x[:half]) + sum(x[half:])
	}
	var r [8]float64
	copy(r[:], x)
	i := 8
	for ; i+8 <= len(x); i += 8 {
		for j := range r {
			r[j] += x[i+j]
		}
	}
	total := ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
	for ; i < len(x); i++ {
		total += x[i]
	}
	return total
}

package search

import "math"

// gaussian guesses how good every choice is from the few that were tried: choices
// that share an instruction or a demo set are alike, the more they share the
// more. It is a Gaussian process over choices; scores are from 0 to 1.
type gaussian struct {
	names [][2]string // by predictor: its parameters, the second "" without demos
	tried [][]int
	chol  [][]float64 // of the covariance of the tried ones, noise included
	alpha []float64
}

// How much of the difference between two choices lies where, as variances.
const (
	byInstruction = 0.06 * 0.06
	byDemos       = 0.06 * 0.06
	byBoth        = 0.04 * 0.04 // an instruction and a demo set that go well together
	byChoice      = 0.03 * 0.03 // nothing that another choice shares
)

func newGaussian(names [][2]string, tried []map[string]int, values, noise []float64) *gaussian {
	g := &gaussian{names: names, tried: make([][]int, len(tried)), chol: make([][]float64, len(tried))}
	for i, choice := range tried {
		g.tried[i] = g.point(choice)
		g.chol[i] = make([]float64, i+1)
		for j := range i + 1 {
			sum := g.covariance(g.tried[i], g.tried[j])
			if i == j {
				sum += noise[i]
			}
			for k := range j {
				sum -= g.chol[i][k] * g.chol[j][k]
			}
			if i == j {
				g.chol[i][i] = math.Sqrt(max(sum, 1e-12))
			} else {
				g.chol[i][j] = sum / g.chol[j][j]
			}
		}
	}
	g.alpha = g.backward(g.forward(values))
	return g
}

// expect adds a choice that is being tried, as if it had come out as expected: no
// guess changes, but those that are near become surer.
func (g *gaussian) expect(choice map[string]int, noise float64) {
	at := g.point(choice)
	row := g.forward(g.covariances(at))
	variance := g.covariance(at, at) + noise
	for _, x := range row {
		variance -= x * x
	}
	g.tried, g.alpha = append(g.tried, at), append(g.alpha, 0)
	g.chol = append(g.chol, append(row, math.Sqrt(max(variance, 1e-12))))
}

func (g *gaussian) covariances(at []int) []float64 {
	k := make([]float64, len(g.tried))
	for i, t := range g.tried {
		k[i] = g.covariance(at, t)
	}
	return k
}

// point is a choice as numbers: of each predictor the instruction and the demos,
// -1 without.
func (g *gaussian) point(choice map[string]int) []int {
	point := make([]int, 0, 2*len(g.names))
	for _, n := range g.names {
		demos := -1
		if n[1] != "" {
			demos = choice[n[1]]
		}
		point = append(point, choice[n[0]], demos)
	}
	return point
}

func (g *gaussian) covariance(a, b []int) float64 {
	sum, same := 0.0, true
	for i := 0; i < len(a); i += 2 {
		instruction, demos := a[i] == b[i], a[i+1] == b[i+1]
		if instruction {
			sum += byInstruction
		}
		if demos && a[i+1] >= 0 {
			sum += byDemos
		}
		if instruction && demos {
			sum += byBoth
		}
		same = same && instruction && demos
	}
	if same {
		sum += byChoice
	}
	return sum
}

// forward solves L·x = v.
func (g *gaussian) forward(v []float64) []float64 {
	x := make([]float64, len(v))
	for i := range v {
		sum := v[i]
		for k := range i {
			sum -= g.chol[i][k] * x[k]
		}
		x[i] = sum / g.chol[i][i]
	}
	return x
}

// backward solves Lᵀ·x = v.
func (g *gaussian) backward(v []float64) []float64 {
	x := make([]float64, len(v))
	for i := len(v) - 1; i >= 0; i-- {
		sum := v[i]
		for k := i + 1; k < len(v); k++ {
			sum -= g.chol[k][i] * x[k]
		}
		x[i] = sum / g.chol[i][i]
	}
	return x
}

// guess returns the expected value of a choice and how sure that is, as a
// standard deviation.
func (g *gaussian) guess(choice map[string]int) (mean, deviation float64) {
	at := g.point(choice)
	k := g.covariances(at)
	for i, alpha := range g.alpha {
		mean += k[i] * alpha
	}
	variance := g.covariance(at, at)
	for _, x := range g.forward(k) {
		variance -= x * x
	}
	return mean, math.Sqrt(max(variance, 0))
}

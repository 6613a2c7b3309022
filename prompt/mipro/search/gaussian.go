package search

import "math"

// gaussian is a Gaussian process over choices. It predicts the score of every choice, from
// 0 to 1, from those that were tried. The covariance of two choices increases with the
// number of instructions and demo sets that they share.
type gaussian struct {
	names [][2]string // by predictor: its parameters, the second "" without demos
	tried [][]int
	chol  [][]float64 // Cholesky factor of the covariance of the tried choices, with noise
	alpha []float64
}

// Variances of the components of a score.
const (
	byInstruction = 0.06 * 0.06
	byDemos       = 0.06 * 0.06
	byBoth        = 0.04 * 0.04 // interaction of an instruction and a demo set
	byChoice      = 0.03 * 0.03 // specific to one choice
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

// expect adds a pending choice with its expected score: means do not change, but the
// deviations of similar choices decrease.
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

// point returns a choice as numbers: the instruction and the demo set of each predictor;
// -1 = no demos.
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

// predict returns the posterior mean and standard deviation of the score of a choice.
func (g *gaussian) predict(choice map[string]int) (mean, deviation float64) {
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

package search

import "slices"

// scoreTable holds every score of a race, by choice and example.
type scoreTable struct {
	choices []map[string]int
	keys    map[string]int // index into choices
	scores  []map[int]float64
}

func newScoreTable(trials []Trial) *scoreTable {
	l := &scoreTable{keys: map[string]int{}}
	for _, trial := range trials {
		k := key(trial.Choice)
		i, ok := l.keys[k]
		if !ok {
			i = len(l.choices)
			l.keys[k] = i
			l.choices = append(l.choices, trial.Choice)
			l.scores = append(l.scores, map[int]float64{})
		}
		for n, row := range trial.Rows {
			l.scores[i][row] = trial.Scores[n]
		}
	}
	return l
}

// model estimates the difficulty of the examples and the quality of the choices
// separately, so that a choice does not look good only because its examples are easy.
// Without scores, all choices are equal.
func (l *scoreTable) model(names [][2]string) *gaussian {
	if len(l.choices) == 0 {
		return newGaussian(names, nil, nil, nil)
	}
	rows := map[int]bool{}
	for _, scores := range l.scores {
		for row := range scores {
			rows[row] = true
		}
	}
	order := sortedRows(rows)
	value := make([]float64, len(l.choices))
	var g *gaussian
	for range 4 { // alternately, each given the other
		difficulty := l.difficulty(order, value)
		means, noise := make([]float64, len(l.choices)), make([]float64, len(l.choices))
		squares, n := 0.0, 0.0
		for i, scores := range l.scores {
			for _, row := range order {
				if s, ok := scores[row]; ok {
					means[i] += s - difficulty[row]
					squares += (s - difficulty[row] - value[i]) * (s - difficulty[row] - value[i])
					n++
				}
			}
			means[i] /= float64(len(scores))
		}
		spread := min(max(squares/n, 0.02), 0.25)
		for i, scores := range l.scores {
			noise[i] = spread / float64(len(scores))
		}
		g = newGaussian(names, l.choices, means, noise)
		for i, choice := range l.choices {
			value[i], _ = g.predict(choice)
		}
	}
	return g
}

// difficulty is the expected score of an average choice on each example.
func (l *scoreTable) difficulty(order []int, value []float64) map[int]float64 {
	const prior = 1.0 // as if each example had one more average score
	total, n := 0.0, 0.0
	sums, counts := map[int]float64{}, map[int]float64{}
	for i, scores := range l.scores {
		for _, row := range order {
			if s, ok := scores[row]; ok {
				sums[row] += s - value[i]
				counts[row]++
				total += s - value[i]
				n++
			}
		}
	}
	difficulty := make(map[int]float64, len(order))
	for _, row := range order {
		difficulty[row] = (sums[row] + prior*total/n) / (counts[row] + prior)
	}
	return difficulty
}

func sortedRows(rows map[int]bool) []int {
	order := make([]int, 0, len(rows))
	for row := range rows {
		order = append(order, row)
	}
	slices.Sort(order)
	return order
}

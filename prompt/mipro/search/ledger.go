package search

import "slices"

// ledger holds every score of a race, by choice and example.
type ledger struct {
	choices []map[string]int
	keys    map[string]int // place in choices
	scores  []map[int]float64
}

func newLedger(trials []Trial) *ledger {
	l := &ledger{keys: map[string]int{}}
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

// model separates how hard the examples are from how good the choices are. Every
// choice is compared on the examples that it shares with others, so a choice that
// met easy examples is not taken for a good one. Of no scores, all choices are alike.
func (l *ledger) model(names [][2]string) *gaussian {
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
	for range 4 { // each in turn, given the other
		hardness := l.hardness(order, value)
		means, noise := make([]float64, len(l.choices)), make([]float64, len(l.choices))
		squares, n := 0.0, 0.0
		for i, scores := range l.scores {
			for _, row := range order {
				if s, ok := scores[row]; ok {
					means[i] += s - hardness[row]
					squares += (s - hardness[row] - value[i]) * (s - hardness[row] - value[i])
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
			value[i], _ = g.guess(choice)
		}
	}
	return g
}

// hardness is the score that a middling choice has on each example.
func (l *ledger) hardness(order []int, value []float64) map[int]float64 {
	const prior = 1.0 // as if each example had been met once more, with a middling result
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
	hardness := make(map[int]float64, len(order))
	for _, row := range order {
		hardness[row] = (sums[row] + prior*total/n) / (counts[row] + prior)
	}
	return hardness
}

func sortedRows(rows map[int]bool) []int {
	order := make([]int, 0, len(rows))
	for row := range rows {
		order = append(order, row)
	}
	slices.Sort(order)
	return order
}

package gepa

import "slices"

// Front lists for each validation example the candidates that score best on it.
func Front(candidates []Candidate) [][]int {
	if len(candidates) == 0 {
		return nil
	}
	front := make([][]int, len(candidates[0].Scores))
	for row := range front {
		top := -1.0
		for i, c := range candidates {
			switch score := c.Scores[row]; {
			case score > top:
				top, front[row] = score, []int{i}
			case score == top:
				front[row] = append(front[row], i)
			}
		}
	}
	return front
}

// undominated removes candidates, the worst first, if each of their rows has another best
// candidate.
func undominated(front [][]int, candidates []Candidate) [][]int {
	var order []int // by first occurrence
	for _, row := range front {
		for _, i := range row {
			if !slices.Contains(order, i) {
				order = append(order, i)
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := candidates[a].mean(), candidates[b].mean(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	out := map[int]bool{}
	for again := true; again; {
		again = false
		for _, i := range order {
			if !out[i] && dominated(i, front, out) {
				out[i], again = true, true
				break
			}
		}
	}
	kept := make([][]int, len(front))
	for row := range front {
		kept[row] = slices.DeleteFunc(slices.Clone(front[row]), func(i int) bool { return out[i] })
	}
	return kept
}

func dominated(i int, front [][]int, out map[int]bool) bool {
	return !slices.ContainsFunc(front, func(row []int) bool {
		return slices.Contains(row, i) && !slices.ContainsFunc(row, func(j int) bool { return j != i && !out[j] })
	})
}

// draw picks the candidate to rewrite: randomly, weighted by the number of rows on which it is
// best, or the best of all.
func (s *Search) draw() int {
	if s.plan.settings.CandidateSelectionStrategy == CurrentBest {
		return s.best()
	}
	var order []int
	rows := map[int]int{}
	for _, row := range undominated(Front(s.candidates), s.candidates) {
		for _, i := range row {
			if rows[i] == 0 {
				order = append(order, i)
			}
			rows[i]++
		}
	}
	var tickets []int
	for _, i := range order {
		tickets = append(tickets, slices.Repeat([]int{i}, rows[i])...)
	}
	return tickets[s.rng.Choice(len(tickets))]
}

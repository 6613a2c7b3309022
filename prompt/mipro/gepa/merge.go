package gepa

import (
	"slices"
)

// Limits of a merge.
const (
	attempts      = 10
	mergeRows     = 5
	minRows       = 5 // minimum number of validation examples for a merge
	minCandidates = 3
)

// mergeRecord is a merge: its parents, and the source of each predictor.
type mergeRecord struct {
	one, other int
	from       []int
}

// drawMerge draws two candidates of the front that changed different predictors of their common
// ancestor, and a few rows to test their merge on.
func (s *Search) drawMerge() (Iteration, bool) {
	var frontier []int
	for _, row := range undominated(Front(s.candidates), s.candidates) {
		frontier = append(frontier, row...)
	}
	slices.Sort(frontier)
	frontier = slices.Compact(frontier)
	if len(frontier) < 2 || len(s.candidates) < minCandidates {
		return Iteration{}, false
	}
	for range attempts {
		one, other, ancestor, ok := s.drawPair(frontier)
		if !ok {
			continue
		}
		texts, from := s.merge(one, other, ancestor)
		same := func(m mergeRecord) bool { return m.one == one && m.other == other && slices.Equal(m.from, from) }
		if slices.ContainsFunc(s.made, same) || len(s.plan.Base.Val) < minRows {
			continue
		}
		s.made = append(s.made, mergeRecord{one, other, from})
		s.tried = append(s.tried, [3]int{one, other, ancestor})
		return Iteration{
			Kind: Merge, Parents: []int{one, other}, Ancestor: ancestor, Texts: texts,
			Rows: s.mergeSample(s.candidates[one].Scores, s.candidates[other].Scores),
		}, true
	}
	return Iteration{}, false
}

// drawPair draws two candidates that may be merged, and their ancestor.
func (s *Search) drawPair(frontier []int) (one, other, ancestor int, ok bool) {
	for range attempts {
		pair := s.rng.Sample(len(frontier), 2)
		one, other = frontier[min(pair[0], pair[1])], frontier[max(pair[0], pair[1])]
		before, beforeOther := s.ancestors(one), s.ancestors(other)
		if slices.Contains(before, other) || slices.Contains(beforeOther, one) {
			continue
		}
		var common []int
		var weights []float64
		for _, a := range before {
			if slices.Contains(beforeOther, a) && s.mergeable(one, other, a) {
				common, weights = append(common, a), append(weights, s.candidates[a].mean())
			}
		}
		if len(common) > 0 {
			return one, other, common[s.rng.Weighted(weights)], true
		}
	}
	return 0, 0, 0, false
}

// ancestors lists the ancestors of a candidate, in ascending order.
func (s *Search) ancestors(candidate int) []int {
	var all []int
	for _, p := range s.candidates[candidate].Parents {
		all = append(append(all, p), s.ancestors(p)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// mergeable reports whether neither candidate is worse than their ancestor, the merge is new,
// and some predictor was changed by exactly one of them.
func (s *Search) mergeable(one, other, ancestor int) bool {
	a, b, c := s.candidates[ancestor], s.candidates[one], s.candidates[other]
	if slices.Contains(s.tried, [3]int{one, other, ancestor}) || a.mean() > b.mean() || a.mean() > c.mean() {
		return false
	}
	for i, text := range a.Texts {
		if (text == b.Texts[i] || text == c.Texts[i]) && b.Texts[i] != c.Texts[i] {
			return true
		}
	}
	return false
}

// merge takes each predictor from the candidate that changed it; if both did, from the better.
func (s *Search) merge(one, other, ancestor int) (texts []string, from []int) {
	a, b, c := s.candidates[ancestor], s.candidates[one], s.candidates[other]
	for i, text := range a.Texts {
		source := one
		switch {
		case text == b.Texts[i]:
			source = other // other has the only new instruction, or none changed it
			if text == c.Texts[i] {
				source = one
			}
		case text == c.Texts[i]:
		case c.mean() > b.mean():
			source = other
		case b.mean() == c.mean():
			source = []int{one, other}[s.rng.Choice(2)]
		}
		from, texts = append(from, source), append(texts, s.candidates[source].Texts[i])
	}
	return texts, from
}

// mergeSample draws rows to test a merge on: some on which the first parent is better, some on
// which the second is better, and some on which they are equal.
func (s *Search) mergeSample(one, other []float64) []int {
	var buckets [3][]int
	for row := range one {
		switch {
		case one[row] > other[row]:
			buckets[0] = append(buckets[0], row)
		case other[row] > one[row]:
			buckets[1] = append(buckets[1], row)
		default:
			buckets[2] = append(buckets[2], row)
		}
	}
	const each = (mergeRows + 2) / 3
	var drawn []int
	take := func(from []int, n int) {
		for _, i := range s.rng.Sample(len(from), n) {
			drawn = append(drawn, from[i])
		}
	}
	for _, bucket := range buckets {
		if n := min(len(bucket), each, mergeRows-len(drawn)); n > 0 {
			take(bucket, n)
		}
	}
	if left := mergeRows - len(drawn); left > 0 { // minRows guarantees enough unused rows
		var unused []int
		for row := range one {
			if !slices.Contains(drawn, row) {
				unused = append(unused, row)
			}
		}
		take(unused, left)
	}
	return drawn
}

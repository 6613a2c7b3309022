package gepa

import (
	"slices"
)

// How hard a merge is sought, and what it is tried on.
const (
	attempts   = 10
	mergeRows  = 5
	leastRows  = 5 // validation examples below which nothing is merged
	leastAlive = 3 // candidates
)

// descent is a merge that was made: of whom, and from whom each predictor came.
type descent struct {
	one, other int
	from       []int
}

// drawMerge draws two candidates of the front that learned different things since their
// common ancestor, and a few rows to try their merge on.
func (s *Search) drawMerge() (Iteration, bool) {
	var alive []int
	for _, row := range undominated(Front(s.candidates), s.candidates) {
		alive = append(alive, row...)
	}
	slices.Sort(alive)
	alive = slices.Compact(alive)
	if len(alive) < 2 || len(s.candidates) < leastAlive {
		return Iteration{}, false
	}
	for range attempts {
		one, other, ancestor, ok := s.drawPair(alive)
		if !ok {
			continue
		}
		texts, from := s.merge(one, other, ancestor)
		made := func(d descent) bool { return d.one == one && d.other == other && slices.Equal(d.from, from) }
		if slices.ContainsFunc(s.offspring, made) || len(s.plan.Base.Val) < leastRows {
			continue
		}
		s.offspring = append(s.offspring, descent{one, other, from})
		s.ancestries = append(s.ancestries, [3]int{one, other, ancestor})
		return Iteration{
			Kind: Merge, Parents: []int{one, other}, Ancestor: ancestor, Texts: texts,
			Rows: s.contested(s.candidates[one].Scores, s.candidates[other].Scores),
		}, true
	}
	return Iteration{}, false
}

// drawPair draws two candidates that may be merged, and their ancestor.
func (s *Search) drawPair(alive []int) (one, other, ancestor int, ok bool) {
	for range attempts {
		pair := s.rng.Sample(len(alive), 2)
		one, other = alive[min(pair[0], pair[1])], alive[max(pair[0], pair[1])]
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

// ancestors lists those of a candidate, in ascending order.
func (s *Search) ancestors(candidate int) []int {
	var all []int
	for _, p := range s.candidates[candidate].Parents {
		all = append(append(all, p), s.ancestors(p)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// mergeable reports whether both are no worse than their ancestor, this was not done yet,
// and one has a predictor that the other did not change.
func (s *Search) mergeable(one, other, ancestor int) bool {
	a, b, c := s.candidates[ancestor], s.candidates[one], s.candidates[other]
	if slices.Contains(s.ancestries, [3]int{one, other, ancestor}) || a.mean() > b.mean() || a.mean() > c.mean() {
		return false
	}
	for i, text := range a.Texts {
		if (text == b.Texts[i] || text == c.Texts[i]) && b.Texts[i] != c.Texts[i] {
			return true
		}
	}
	return false
}

// merge takes each predictor from the one that changed it; if both did, from the better.
func (s *Search) merge(one, other, ancestor int) (texts []string, from []int) {
	a, b, c := s.candidates[ancestor], s.candidates[one], s.candidates[other]
	for i, text := range a.Texts {
		source := one
		switch {
		case text == b.Texts[i]:
			source = other // it has the same, or the only new one
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

// contested draws rows: such as one parent does better on, such as the other does, and
// such as both do alike.
func (s *Search) contested(one, other []float64) []int {
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
	if left := mergeRows - len(drawn); left > 0 { // there are leastRows, so that enough are unused
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

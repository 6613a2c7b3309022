package search

import (
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// pool lists the candidate choices: all if they are few, otherwise those that were tried,
// those that differ from the leaders in one parameter, and some random ones.
func (r *Race) pool(l *scoreTable, g *gaussian, begun int) []map[string]int {
	const most = 2048
	names := slices.Sorted(maps.Keys(r.counts))
	total := 1
	for _, name := range names {
		total *= r.counts[name]
		if total > most {
			return r.someOf(names, l, g, begun)
		}
	}
	var pool []map[string]int
	for i := range total {
		choice, rest := map[string]int{}, i
		for _, name := range names {
			choice[name] = rest % r.counts[name]
			rest /= r.counts[name]
		}
		if maps.Equal(choice, r.plain(choice)) {
			pool = append(pool, choice)
		}
	}
	return pool
}

// plain replaces each parameter by the first one with an equal text, so that two names of
// one program do not compete.
func (r *Race) plain(choice map[string]int) map[string]int {
	plain := maps.Clone(choice)
	for name, first := range r.same {
		plain[name] = first[choice[name]]
	}
	return plain
}

func (r *Race) someOf(names []string, l *scoreTable, g *gaussian, begun int) []map[string]int {
	pool := slices.Clone(l.choices)
	for _, leader := range r.leaders(l, g) {
		for _, name := range names {
			for c := range r.counts[name] {
				other := maps.Clone(leader)
				other[name] = c
				pool = append(pool, r.plain(other))
			}
		}
	}
	rng := python.NewRandom(r.plan.Seed + int64(begun))
	for range 512 {
		choice := map[string]int{}
		for _, name := range names {
			choice[name] = rng.Choice(r.counts[name])
		}
		pool = append(pool, r.plain(choice))
	}
	return pool
}

// leaders returns the two choices with the highest predicted scores.
func (r *Race) leaders(l *scoreTable, g *gaussian) []map[string]int {
	places := make([]int, len(l.choices))
	means := make([]float64, len(l.choices))
	for i, choice := range l.choices {
		places[i] = i
		means[i], _ = g.predict(choice)
	}
	slices.SortStableFunc(places, func(a, b int) int {
		switch {
		case means[a] > means[b]:
			return -1
		case means[a] < means[b]:
			return 1
		}
		return 0
	})
	return mipro.Pick(l.choices, places[:min(2, len(places))])
}

package search

import "slices"

// BestSoFar computes the best score of a search so far, trial by trial. Search scores a
// candidate on all rows at once. Race scores it on new rows in each trial: its score is the
// mean over its rows, and only the candidates with the most rows count, so the best score can
// decrease. The zero value is ready to use.
type BestSoFar struct {
	whole int // rows of the trial of the original program
	best  float64
	seen  []tally // no map, because workflow code must be deterministic
}

type tally struct {
	choice string
	rows   int
	mean   float64
}

// Add adds the next trial and returns the best score so far, in percent. Equal choices are the
// same candidate.
func (b *BestSoFar) Add(kind TrialKind, choice string, rows int, score float64) float64 {
	if rows <= 0 {
		return b.best
	}
	switch {
	case kind == DefaultTrial || kind == RaceTrial:
		b.whole = max(b.whole, rows)
		b.race(choice, rows, score)
	case kind == SampleTrial || kind == MergeTrial: // scored on other rows, or on a few
	case kind == FullTrial || rows >= b.whole:
		b.best = max(b.best, score)
	}
	return b.best
}

func (b *BestSoFar) race(choice string, rows int, score float64) {
	at := slices.IndexFunc(b.seen, func(m tally) bool { return m.choice == choice })
	if at < 0 {
		at = len(b.seen)
		b.seen = append(b.seen, tally{choice: choice})
	}
	m := &b.seen[at]
	m.mean = (m.mean*float64(m.rows) + score*float64(rows)) / float64(m.rows+rows)
	m.rows += rows
	most := 0
	for _, m := range b.seen {
		most = max(most, m.rows)
	}
	b.best = 0
	for _, m := range b.seen {
		if m.rows == most {
			b.best = max(b.best, m.mean)
		}
	}
}

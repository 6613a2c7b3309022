package search

import "slices"

// Standing follows a search trial by trial and computes the score of the best candidate so
// far. Search scores a candidate on all rows at once. Race scores it on new rows in each
// trial: its score is the mean over its rows, and only the candidates with the most rows
// count, so the best score can decrease. The zero value is ready to use.
type Standing struct {
	whole int // rows of the trial of the original program
	best  float64
	met   []tally // not a map: workflows use it, and their code must be deterministic
}

type tally struct {
	choice string
	rows   int
	mean   float64
}

// Add adds the next trial and returns the best score so far, in percent. The same
// choice is the same candidate.
func (s *Standing) Add(kind TrialKind, choice string, rows int, score float64) float64 {
	if rows <= 0 {
		return s.best
	}
	switch {
	case kind == DefaultTrial || kind == RaceTrial:
		s.whole = max(s.whole, rows)
		s.race(choice, rows, score)
	case kind == SampleTrial || kind == MergeTrial: // of other rows, or of a few
	case kind == FullTrial || rows >= s.whole:
		s.best = max(s.best, score)
	}
	return s.best
}

func (s *Standing) race(choice string, rows int, score float64) {
	at := slices.IndexFunc(s.met, func(m tally) bool { return m.choice == choice })
	if at < 0 {
		at = len(s.met)
		s.met = append(s.met, tally{choice: choice})
	}
	m := &s.met[at]
	m.mean = (m.mean*float64(m.rows) + score*float64(rows)) / float64(m.rows+rows)
	m.rows += rows
	most := 0
	for _, m := range s.met {
		most = max(most, m.rows)
	}
	s.best = 0
	for _, m := range s.met {
		if m.rows == most {
			s.best = max(s.best, m.mean)
		}
	}
}

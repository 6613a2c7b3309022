package search

import "slices"

// Standing follows a search trial by trial and knows the score of the best
// candidate so far. A search scores on all rows at once. In a race a candidate
// meets new rows trial by trial: its score is the mean over those that it met,
// and only those count that met most, so the best may become worse by meeting
// more. The zero value is the beginning.
type Standing struct {
	whole int // rows of the trial of the program as it was
	best  float64
	met   []meeting // a workflow keeps it, so nothing here depends on the order of a map
}

type meeting struct {
	choice string
	rows   int
	mean   float64
}

// Add takes the next trial and returns the best so far, in percent. The same
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
	at := slices.IndexFunc(s.met, func(m meeting) bool { return m.choice == choice })
	if at < 0 {
		at = len(s.met)
		s.met = append(s.met, meeting{choice: choice})
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

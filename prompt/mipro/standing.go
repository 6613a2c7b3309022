package mipro

// Standing follows a search trial by trial and knows the score of the best
// candidate so far. A search scores on all rows at once. In a race a candidate
// meets new rows trial by trial: its score is the mean over those that it met,
// and only those count that met most, so the best may become worse by meeting
// more. The zero value is the beginning.
type Standing struct {
	whole int // rows of the trial of the program as it was
	best  float64
	met   map[string]meeting // by choice
}

type meeting struct {
	rows int
	mean float64
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
	case kind == FullTrial || rows >= s.whole:
		s.best = max(s.best, score)
	}
	return s.best
}

func (s *Standing) race(choice string, rows int, score float64) {
	if s.met == nil {
		s.met = map[string]meeting{}
	}
	m := s.met[choice]
	m.mean = (m.mean*float64(m.rows) + score*float64(rows)) / float64(m.rows+rows)
	m.rows += rows
	s.met[choice] = m
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

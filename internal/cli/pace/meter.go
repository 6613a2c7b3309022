package pace

import "time"

// Meter measures the rate of one growing count over Window, which should be long enough to
// be stable and short enough to follow a change.
type Meter struct {
	Window time.Duration
	points []point
}

type point struct {
	at time.Time
	n  float64
}

// warmUp is the minimum time of measurement before an estimate is made.
const warmUp = 3 * time.Second

// Add records the count at a time.
func (m *Meter) Add(at time.Time, n float64) {
	// A count can decrease for a moment: when a part of the work has ended and is not counted yet.
	if last := len(m.points) - 1; last >= 0 {
		n = max(n, m.points[last].n)
	}
	m.points = append(m.points, point{at, n})
	for len(m.points) > 2 && at.Sub(m.points[0].at) > m.Window {
		m.points = m.points[1:]
	}
}

// Rate returns the count per second; 0 = unknown or no progress.
func (m *Meter) Rate() float64 {
	n, span := m.measured()
	if span <= 0 {
		return 0
	}
	return n / span.Seconds()
}

func (m *Meter) measured() (n float64, span time.Duration) {
	if len(m.points) < 2 {
		return 0, 0
	}
	first, last := m.points[0], m.points[len(m.points)-1]
	return last.n - first.n, last.at.Sub(first.at)
}

// Left estimates the time for the rest; 0 = unknown.
func (m *Meter) Left(rest float64) time.Duration {
	rate := m.Rate()
	if _, span := m.measured(); span < warmUp || rate <= 0 || rest <= 0 {
		return 0
	}
	return time.Duration(min(rest/rate, maxLeft.Seconds()) * float64(time.Second))
}

// maxLeft bounds an estimate; longer times are not shown.
const maxLeft = 10 * 365 * 24 * time.Hour

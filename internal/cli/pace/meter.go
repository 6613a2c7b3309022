package pace

import "time"

// Meter measures the rate of one count that grows. Window is how far back it looks: long
// enough to be calm, short enough to follow a change.
type Meter struct {
	Window time.Duration
	points []point
}

type point struct {
	at time.Time
	n  float64
}

// warmUp is how long a rate is measured before an estimate is made from it.
const warmUp = 3 * time.Second

// Add notes the count at a time.
func (m *Meter) Add(at time.Time, n float64) {
	// What is in flight leaves one count a moment before it enters the next.
	if last := len(m.points) - 1; last >= 0 {
		n = max(n, m.points[last].n)
	}
	m.points = append(m.points, point{at, n})
	for len(m.points) > 2 && at.Sub(m.points[0].at) > m.Window {
		m.points = m.points[1:]
	}
}

// Rate returns the count per second; 0 = unknown or standing still.
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

// Left estimates how long the rest takes; 0 = unknown.
func (m *Meter) Left(rest float64) time.Duration {
	rate := m.Rate()
	if _, span := m.measured(); span < warmUp || rate <= 0 || rest <= 0 {
		return 0
	}
	return time.Duration(min(rest/rate, maxLeft.Seconds()) * float64(time.Second))
}

// maxLeft bounds an estimate: later ends are not worth a number.
const maxLeft = 10 * 365 * 24 * time.Hour

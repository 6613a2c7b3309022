// Package pace measures the rate of work and estimates the remaining time. It is pure: times
// and counts come from its callers. It does not depend on jobs or terminals.
package pace

import (
	"math"
	"time"
)

// An ETA smooths its estimates. Rates vary, so a plain estimate jumps up and down. An ETA
// only falls, unless the work has become slower:
//
//   - The time left decreases by the elapsed time. It also approaches a lower estimate, with
//     the time constant settle.
//   - While estimates are higher, the time left does not change.
//   - If all estimates during patience are higher by more than the slack, the latest one
//     replaces the time left. Only then does the time left rise.
const (
	settle   = 10 * time.Second
	patience = 30 * time.Second
	slack    = 0.25            // of the time left
	minSlack = 2 * time.Second // a smaller difference is not worth a correction
)

// ETA is the remaining time of some work. The zero value is unknown.
type ETA struct {
	left   time.Duration // 0 = unknown
	at     time.Time     // of the last estimate
	higher time.Time     // since this time all estimates were higher; zero = the last one was not higher
}

// Next adds an estimate of the time left at now; 0 or less = unknown, such as during a pause.
func (e ETA) Next(now time.Time, estimate time.Duration) ETA {
	elapsed := now.Sub(e.at)
	switch above := estimate - e.left; {
	case estimate <= 0:
		return ETA{}
	case e.left == 0:
		return ETA{left: estimate, at: now}
	case above <= 0:
		approach := time.Duration(float64(-above) * (1 - math.Exp(-elapsed.Seconds()/settle.Seconds())))
		e.left = max(estimate, e.left-elapsed-approach)
		e.higher = time.Time{}
	case above <= max(minSlack, time.Duration(slack*float64(e.left))):
		e.higher = time.Time{}
	case e.higher.IsZero():
		e.higher = now
	case now.Sub(e.higher) >= patience:
		return ETA{left: estimate, at: now}
	}
	e.at = now
	return e
}

// Left returns the time left; 0 = unknown.
func (e ETA) Left() time.Duration { return e.left }

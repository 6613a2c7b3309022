// Package pace measures how fast work goes on, and says when it will be done. It is pure:
// times and counts come from its callers, and it knows neither jobs nor terminals.
package pace

import (
	"math"
	"time"
)

// How an ETA follows its estimates. Rates vary from moment to moment, so a plain estimate
// jumps up and down. This one only falls, unless the work has really become slower:
//
//   - A lower estimate is approached gradually, with the time constant settle, beside
//     what the clock takes.
//   - On a higher estimate the time left stands still.
//   - If every estimate of the last patience is higher by more than the slack, the newest
//     one replaces the time left, which is the only way to rise.
const (
	settle   = 10 * time.Second
	patience = 30 * time.Second
	slack    = 0.25            // of the time left
	minSlack = 2 * time.Second // a smaller difference is not worth a correction
)

// ETA is the time that work still takes. The zero value is unknown.
type ETA struct {
	left   time.Duration // 0 = unknown
	at     time.Time     // of the last estimate
	higher time.Time     // since when every estimate was higher; zero = the last one was not
}

// Next takes an estimate of the time that is left at now; 0 or less = unknown, such as during a pause.
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

// Left returns how much time is left; 0 = unknown.
func (e ETA) Left() time.Duration { return e.left }

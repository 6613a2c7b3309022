package money

import "errors"

// Verdict says whether a call may be made within a limit.
type Verdict int

// The verdicts.
const (
	Fits     Verdict = iota // the call may be made
	Wait                    // reservations in flight leave no room; they may settle for less
	Exceeded                // what is settled alone leaves no room
)

// Decide is the rule of a hard limit in micro-USD (0 = none): what is settled is
// spent, what is reserved may yet be settled for less, and a free call is never
// blocked.
func Decide(limit, settled, reserved, cost int64) Verdict {
	switch {
	case limit <= 0 || cost <= 0:
		return Fits
	case Sum(settled, cost) > limit:
		return Exceeded
	case Sum(settled, reserved, cost) > limit:
		return Wait
	default:
		return Fits
	}
}

// ErrNoRoom marks a reservation that was not made because others leave it no
// room; it can be made when they have settled for less.
var ErrNoRoom = errors.New("no room")

// ErrElsewhere marks a reservation that was not made because another process is
// making the same call: its answer will be stored.
var ErrElsewhere = errors.New("in flight elsewhere")

package money

import (
	"errors"
	"math"
)

// Verdict says whether a call may be made within a limit.
type Verdict int

// The verdicts.
const (
	Fits     Verdict = iota // the call may be made
	Wait                    // reservations in flight leave no room; they may settle for less
	Exceeded                // settled costs alone leave no room
)

// Decide is the rule of a hard limit in micro-USD (0 = none): settled costs are spent,
// reservations may be settled for less, and a free call is never blocked.
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

// ErrNoRoom marks a reservation that was not made because other reservations leave no room;
// it can be made when they settle for less.
var ErrNoRoom = errors.New("no room")

// ErrElsewhere marks a reservation that was not made because another process is
// making the same call: its answer will be stored.
var ErrElsewhere = errors.New("in flight elsewhere")

// ErrUnreserved marks the failure of a call that was not made because the ledger could not reserve it:
// it cannot be written now. That says nothing about the endpoint.
var ErrUnreserved = errors.New("the ledger could not reserve the call")

// Unreserved marks an error as ErrUnreserved; its class stays.
func Unreserved(err error) error { return &unreserved{err} }

type unreserved struct{ error }

func (u *unreserved) Unwrap() error { return u.error }

func (u *unreserved) Is(target error) bool { return target == ErrUnreserved }

// maxLimitUSD is the highest limit that micro-USD can express.
const maxLimitUSD = 9_000_000_000_000

// CheckLimit refuses a hard limit in USD that is negative, not a number or too large for
// micro-USD. 0 = no limit.
func CheckLimit(usd float64) error {
	if !(usd >= 0 && usd <= maxLimitUSD) {
		return errors.New("use an amount in USD from 0 (no limit) to 9000000000000")
	}
	return nil
}

// Limit converts a hard limit to micro-USD: the nearest, but at least 1 if there is a
// limit, because 0 = none. A limit that does not fit is math.MaxInt64. Values that
// CheckLimit refuses become the lowest limit, so that a mistake pays for nothing.
func Limit(usd float64) int64 {
	switch {
	case usd == 0:
		return 0
	case usd > maxLimitUSD:
		return math.MaxInt64
	case usd > 0:
		return max(1, int64(math.Round(usd*1e6)))
	default: // negative or not a number
		return 1
	}
}

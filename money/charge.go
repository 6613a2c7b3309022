// Package money holds the pure rules of cost: prices by token, what a call reserves and
// is charged (also when it fails), and budgets. It knows no database, endpoint or
// workflow.
package money

import (
	"errors"
)

// Charged wraps the error of a call that its provider bills without a usable answer: the
// answer could not be decoded, was aborted, came too late or could not be stored. An error
// without a Charged in its chain means that the provider bills nothing: the connection or
// the request was refused (a status of 4xx, or 503).
type Charged struct { //nolint:errname // it says what a failure costs; the failure is Err
	MicroUSD int64 // cost by the answer's usage; counts only if Known
	Known    bool  // false: book the whole reservation
	Err      error // the failure itself; never nil
}

// Charge wraps err as billed with a known cost.
func Charge(err error, microUSD int64) error {
	return &Charged{MicroUSD: microUSD, Known: true, Err: err}
}

// ChargeUnknown wraps err as billed with an unknown cost: the reservation is booked.
func ChargeUnknown(err error) error { return &Charged{Err: err} }

// NotSent wraps the error of a call whose request never reached its endpoint: no connection
// was made, or the request was refused locally. Its entry is released, and does not count
// as a call.
type NotSent struct { //nolint:errname // as Charged
	Err error // the failure itself; never nil
}

// NeverSent wraps err as a NotSent. It returns nil for nil.
func NeverSent(err error) error {
	if err == nil {
		return nil
	}
	return &NotSent{err}
}

// Error is the text of the failure.
func (n *NotSent) Error() string { return n.Err.Error() }

// Unwrap returns the failure.
func (n *NotSent) Unwrap() error { return n.Err }

// Error is the text of the failure.
func (c *Charged) Error() string { return c.Err.Error() }

// Unwrap returns the failure.
func (c *Charged) Unwrap() error { return c.Err }

// ChargeOf returns the booking of a failed call, given its reservation.
func ChargeOf(err error, reservedMicroUSD int64) int64 {
	c, ok := errors.AsType[*Charged](err)
	switch {
	case !ok:
		return 0
	case c.Known:
		return c.MicroUSD
	default:
		return reservedMicroUSD
	}
}

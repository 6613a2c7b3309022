package money

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
)

// Outcome says how a ledger entry ended. The zero value is an entry that is open.
type Outcome string

// The outcomes.
const (
	Answered      Outcome = "answered" // its answer is stored
	Refused       Outcome = "refused"  // the endpoint billed nothing
	BilledFailure Outcome = "charged"  // billed, but without a usable answer
	Lost          Outcome = "lost"     // outcome unknown: booked at its reservation
	Released      Outcome = "released" // no request was sent; it does not count as a call
)

// Billed reports whether a call of this outcome was billed, or may have been.
func (o Outcome) Billed() bool { return o == Answered || o == BilledFailure || o == Lost }

// Known reports whether o is one of the outcomes above.
func (o Outcome) Known() bool {
	return o.Billed() || o == Refused || o == Released
}

// Reservation is what a ledger reserves for a call that is about to be made.
type Reservation struct {
	Key      string // names the entry; see NewKey
	Attempt  int    // the number of the call among those of its fingerprint in its job, from 1
	MicroUSD int64  // maximum
	Charged  int    // earlier calls of the fingerprint in the job that were billed without a usable answer
}

// Booking is how a ledger books an ended entry.
type Booking struct {
	Outcome  Outcome
	MicroUSD int64
	Used     Used // only said with a settlement; a ledger does not return it
}

// NewKey is the idempotency key of a ledger entry. It is made of what is paid for, so that
// any process can end what another began. It is a hash, so it can be sent to an endpoint.
func NewKey(tenant, job, kind, fingerprint string, attempt int) string {
	h := sha256.New()
	for _, part := range []string{tenant, job, kind, fingerprint, strconv.Itoa(attempt)} {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Settle is the rule for an entry that is settled more than once: the first settlement
// stands, except that an entry which a sweep booked as lost is replaced by a later
// settlement. changed reports whether the entry must be booked again.
func Settle(booked, said Booking) (now Booking, changed bool) {
	switch {
	case booked.Outcome == "":
		return said, true
	case booked.Outcome == Lost && said != booked:
		return said, true
	default:
		return booked, false
	}
}

// End is the booking of a call whose endpoint answered with err; costMicroUSD is the cost
// of an answer.
func End(err error, costMicroUSD, reservedMicroUSD int64) Booking {
	switch {
	case err == nil:
		return Booking{Outcome: Answered, MicroUSD: max(costMicroUSD, 0)}
	case Unsent(err):
		return Booking{Outcome: Released}
	case IsCharged(err):
		return Booking{Outcome: BilledFailure, MicroUSD: max(ChargeOf(err, reservedMicroUSD), 0)}
	default:
		return Booking{Outcome: Refused}
	}
}

// IsCharged reports whether the provider bills the failed call.
func IsCharged(err error) bool {
	_, ok := errors.AsType[*Charged](err)
	return ok
}

// Repeated counts calls that were made again although an earlier one of the same
// fingerprint had been billed: all billed calls except the first. outcomes are those of one
// fingerprint; open entries do not count yet.
func Repeated(outcomes []Outcome) int {
	billed := 0
	for _, o := range outcomes {
		if o.Billed() {
			billed++
		}
	}
	return max(0, billed-1)
}

// MaxCharged is how many calls of one fingerprint may be billed without a usable answer in
// one job. After that the fingerprint is given up.
const MaxCharged = 5

// MaxLost is how many calls of one fingerprint may be lost in one job before it is given
// up. Calls are lost when workers are killed and runs are cancelled, mostly not because of
// the call, so the limit is generous. It stops an answer that crashes every worker which
// reads it.
const MaxLost = 20

// ErrGivenUp marks a call that is no longer made: too many earlier ones were billed without
// a usable answer.
var ErrGivenUp = errors.New("given up")

// GiveUp is the fault of a call that is given up; cause is the last failure, or nil if
// another process had it.
func GiveUp(op, subject string, charged int, cause error) error {
	f := &fault.Error{
		Class: fault.Input, Op: op, Subject: subject, Err: ErrGivenUp,
		Reason: strconv.Itoa(charged) + " calls were billed and none brought a usable answer; it is left out",
	}
	if cause != nil {
		f.Reason += "; the last one: " + cause.Error()
	}
	return f
}

// GiveUpLost is the fault of a call of which too many were lost.
func GiveUpLost(op, subject string, lost int) error {
	return &fault.Error{
		Class: fault.Input, Op: op, Subject: subject, Err: ErrGivenUp,
		Reason: strconv.Itoa(lost) + " calls were lost with their workers; it is left out, since its answer may be what ends them",
	}
}

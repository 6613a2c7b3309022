package video

import (
	"context"
	"time"
)

// PaidCall is an answer that somebody wants of a model, and who pays for it. Call
// says what is paid for, and what it may cost at most.
type PaidCall struct {
	Call
	LimitMicroUSD int64 // of the job; 0 = none
	Unpriced      bool  // what it costs is not known, so it is refused under a limit
	Of            Of    // of an embedding: what is embedded
	Ticket        int64 // calls of one job are made in the order of their tickets
	// Limit is how many calls the endpoint takes at once, as far as is known.
	Limit func() int
	// Stored reports whether the answer is stored; nil = it is not.
	Stored func(ctx context.Context) (bool, error)
	// Prepare reads what the request needs and returns what asks the endpoint
	// once. It is called once, whatever becomes of the request.
	Prepare func(ctx context.Context) (Ask, error)
	// Stop is closed when this worker shuts down: then no call begins. nil = never.
	Stop <-chan struct{}
	// Grace is how long a call may go on after its caller's context ended for a
	// cause; bounded false = to its own end, and the caller does not wait for it.
	// nil = never any.
	Grace func(cause error) (d time.Duration, bounded bool)
	// Waiting is told what the call waits for, as when an endpoint is down; "" =
	// for nothing any more. nil = nobody wants to know.
	Waiting func(reason string)
}

// Ask makes one request. A failure that the provider bills is a money.Charged.
type Ask func(ctx context.Context) (PaidAnswer, error)

// PaidAnswer is an answer that is not stored yet.
type PaidAnswer struct {
	CostMicroUSD int64
	Store        func(ctx context.Context) error // called again until it succeeds
}

// Paid says what an answer took.
type Paid struct {
	Called       bool  // false: it was stored already, or somebody else asked for it
	CostMicroUSD int64 // of this call; failed ones before it are in the ledger
}

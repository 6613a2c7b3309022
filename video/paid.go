package video

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/video/waits"
)

// PaidCall is a request for a model's answer, with its payer. Call says what is paid for,
// and the maximum cost.
type PaidCall struct {
	Call
	LimitMicroUSD int64 // of the job; 0 = none
	Of            Of    // of an embedding: what is embedded
	Ticket        int64 // calls of one job are made in the order of their tickets
	// Endpoint is the server that the call goes to, if its caller has chosen it; "" = the broker
	// chooses.
	Endpoint string
	// Once is for a caller who has another endpoint to go to, or has begun to pass the answer on: a
	// failed attempt is not repeated, and an endpoint that is down or asks to wait fails the call. An
	// answer is settled a moment later, so that its caller does not wait for the ledger.
	Once bool
	// Limit is the concurrency that the endpoint takes, as far as is known.
	Limit func() int
	// Stored reports whether the answer is stored; nil = it is not.
	Stored func(ctx context.Context) (bool, error)
	// Prepare reads what the request needs and returns the function that makes it once.
	// Prepare is called once, whatever becomes of the request.
	Prepare func(ctx context.Context) (Ask, error)
	// Stop is closed when this worker shuts down: then no call starts. nil = never.
	Stop <-chan struct{}
	// Grace is how long a call may continue after its caller's context ended for a cause;
	// bounded false = until it ends, and the caller does not wait for it. nil = no time at
	// all.
	Grace func(cause error) (d time.Duration, bounded bool)
	// Waiting receives what the call waits for, such as an endpoint that is down; the zero
	// value = nothing any more. nil = not reported.
	Waiting func(waits.Reason)
}

// Ask makes one request. A failure that the provider bills is a money.Charged.
type Ask func(ctx context.Context) (PaidAnswer, error)

// PaidAnswer is an answer that is not stored yet.
type PaidAnswer struct {
	CostMicroUSD int64
	Store        func(ctx context.Context) error // called again until it succeeds
}

// Paid is the cost of an answer.
type Paid struct {
	Called       bool  // false: it was stored already, or another caller requested it
	CostMicroUSD int64 // of this call; failed ones before it are in the ledger
}

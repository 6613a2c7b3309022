package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// payPatience is how long a further request waits for room under the job's limit.
// The call that it belongs to holds its own reservation meanwhile, so there may
// never be any.
const payPatience = 5 * time.Second

// pay makes a request that an adapter needs beside the one of its call, in the slot
// of the call, and books it as an entry of its own; see money.Payer. It has a
// fingerprint of its own as well: each process proves a model for itself, which is
// no repetition and waits for no other.
func (f *flight) pay(ctx context.Context, what string, ask func(ctx context.Context) error) error {
	c := f.call.Call
	c.Fingerprint, c.Attempt = video.NewFingerprint("further request", c.Model, what, rand.Text()), 1
	r, err := f.options.Ledger.TryReserve(ctx, c, f.call.LimitMicroUSD)
	for start := time.Now(); errors.Is(err, money.ErrNoRoom); {
		if time.Since(start) > payPatience {
			return fault.New(fault.Budget, "call model", c.Model,
				"the limit leaves no room for a call and the requests that prove the model; raise the limit to continue")
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return err
		}
		r, err = f.options.Ledger.TryReserve(ctx, c, f.call.LimitMicroUSD)
	}
	if err != nil {
		return err
	}
	err = asking(f.options.Log, func() error { return ask(money.WithEntry(ctx, r.Key)) })
	return errors.Join(err, f.book(r.Key, f.outcome(r, err, r.MicroUSD)))
}

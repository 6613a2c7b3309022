package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// payPatience is how long a further request waits for room under the job's limit. Its call
// holds a reservation meanwhile, so there may never be room.
const payPatience = 5 * time.Second

// pay makes a further request of an adapter in the slot of its call, and books it as an
// entry of its own; see money.Payer. It also has its own fingerprint: each process proves a
// model for itself, which is not a repetition and waits for no other process. So the
// ledger's limit for charged calls does not apply, but one of this process does.
func (f *flight) pay(ctx context.Context, what string, ask func(ctx context.Context) error) error {
	c := f.call.Call
	name := string(video.NewFingerprint("further request", string(c.Tenant), c.Job, c.Model, what))
	if err := f.further.check(name, c.Model); err != nil {
		return err
	}
	c.Fingerprint, c.Attempt = video.NewFingerprint("further request", c.Model, what, rand.Text()), 1
	r, err := f.options.Ledger.TryReserve(ctx, c, f.call.LimitMicroUSD)
	for start := time.Now(); errors.Is(err, money.ErrNoRoom); {
		if time.Since(start) > payPatience {
			return tooNarrow(c.Model, err)
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return err
		}
		r, err = f.options.Ledger.TryReserve(ctx, c, f.call.LimitMicroUSD)
	}
	if err != nil {
		return err
	}
	ctx, meter := money.WithMeter(ctx)
	err = asking(f.options.Log, func() error { return ask(money.WithEntry(ctx, r.Key)) })
	booking := f.outcome(r, err, r.MicroUSD)
	booking.Used = meter.Used()
	f.further.paid(name, booking.Outcome, err, f.spread)
	return errors.Join(err, f.book(r.Key, booking))
}

// tooNarrow is the fault of a further request for which there is no room; err is the last
// refusal.
func tooNarrow(model string, err error) error {
	f := fault.New(fault.Budget, "call model", model,
		"the limit leaves no room for a call and the requests that prove the model; raise the limit to continue")
	if by, ok := errors.AsType[*money.Blocked](err); ok { // the run waits for this budget
		f.Err = by.Settled()
	}
	return f
}

// further counts the billed further requests of jobs, whatever their outcome: a proven
// model is not checked again, so one that is checked repeatedly does not work.
type further struct {
	mu sync.Mutex
	by map[string]*billed
}

type billed struct {
	times int
	until time.Time // not requested again before
	last  error
}

// check says why a request is not made, or not yet.
func (u *further) check(name, model string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	b := u.by[name]
	if b == nil {
		return nil
	}
	if b.times >= money.MaxCharged {
		return money.GiveUp("prove model", model, b.times, b.last)
	}
	if left := time.Until(b.until); left > 0 {
		return &fault.Error{
			Class: fault.Overload, Op: "prove model", Subject: model, RetryAfter: left,
			Reason: "the last request to prove the model failed: " + b.last.Error(),
		}
	}
	return nil
}

// paid counts a request; the next one after a failure is spread like those of a call. nil =
// it may follow at once.
func (u *further) paid(name string, o money.Outcome, err error, spread func(charged int) time.Duration) {
	if !o.Billed() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.by == nil {
		u.by = map[string]*billed{}
	}
	b := u.by[name]
	if b == nil {
		b = &billed{}
		u.by[name] = b
	}
	b.times++
	if b.last = err; err != nil && spread != nil {
		b.until = time.Now().Add(spread(b.times))
	}
}

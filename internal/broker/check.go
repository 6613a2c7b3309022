package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// Payer books the requests that a check of an endpoint makes, which is no call of a
// job: each as an entry of its own, of the tenant, job, kind, model and cost of c.
// Anyone may ask for a check at any time. So at most money.MaxCharged requests of one
// name are paid in this process for what c.Fingerprint identifies; after that the
// answer is the last failure.
func (b *Brokers) Payer(c video.Call) money.Payer {
	return func(ctx context.Context, what string, ask func(ctx context.Context) error) error {
		return b.Prove(ctx, c, what, func(ctx context.Context) (int64, error) { return c.CostMicroUSD, ask(ctx) })
	}
}

// Prove makes one request of a check; see Payer. ask returns what its answer costs, in
// micro-USD: at most the cost of c.
func (b *Brokers) Prove(ctx context.Context, c video.Call, what string, ask func(ctx context.Context) (int64, error)) error {
	name := string(video.NewFingerprint("check", string(c.Tenant), c.Job, c.Kind, c.Model, string(c.Fingerprint), what))
	if err := b.checks.spent(name, c.Model); err != nil {
		return err
	}
	c.Fingerprint, c.Attempt = video.NewFingerprint("check", c.Model, what, rand.Text()), 1
	r, err := b.options.Ledger.TryReserve(ctx, c, 0)
	if err != nil {
		return err
	}
	var cost int64
	ctx, meter := money.WithMeter(ctx)
	err = asking(b.options.Log, func() (err error) {
		cost, err = ask(money.WithEntry(ctx, r.Key))
		return err
	})
	end := money.End(err, min(cost, r.MicroUSD), r.MicroUSD)
	b.checks.paid(name, end.Outcome, err, nil)
	end.Used = meter.Used()
	_, booked := b.options.Ledger.Settle(context.WithoutCancel(ctx), r.Key, end)
	return errors.Join(err, booked)
}

// spent says why a check pays nothing more. It has the class of the last failure.
func (u *further) spent(name, model string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	b := u.by[name]
	if b == nil || b.times < money.MaxCharged {
		return nil
	}
	f := &fault.Error{
		Class: fault.Input, Op: "check model", Subject: model, Err: money.ErrGivenUp,
		Reason: fmt.Sprintf("%d requests were billed and did not prove it; after a fix, restart the worker to check it again", b.times),
	}
	if b.last != nil {
		f.Reason += "; the last failure: " + b.last.Error()
		f.Class = cmp.Or(fault.ClassOf(b.last), f.Class)
	}
	return f
}

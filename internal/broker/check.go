package broker

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// Payer books the requests that a check of an endpoint makes, which is no call of a
// job: each as an entry of its own, of the tenant, job, kind, model and cost of c.
func (b *Brokers) Payer(c video.Call) money.Payer {
	return func(ctx context.Context, what string, ask func(ctx context.Context) error) error {
		c := c
		c.Fingerprint, c.Attempt = video.NewFingerprint("check", c.Model, what, rand.Text()), 1
		r, err := b.options.Ledger.TryReserve(ctx, c, 0)
		if err != nil {
			return err
		}
		err = asking(b.options.Log, func() error { return ask(money.WithEntry(ctx, r.Key)) })
		end := money.End(err, r.MicroUSD, r.MicroUSD)
		_, booked := b.options.Ledger.Settle(context.WithoutCancel(ctx), r.Key, end.Outcome, end.MicroUSD)
		return errors.Join(err, booked)
	}
}

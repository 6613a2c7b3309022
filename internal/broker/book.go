package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video/waits"
)

// book settles an entry. While the ledger fails it retries: the entry has a key, so it is
// settled once. When the call is cut, or after a while, it is settled in the background: an
// entry that stays open while its process lives blocks part of its job's budget.
func (f *flight) book(key string, b money.Booking) error {
	start := time.Now()
	free := context.WithoutCancel(f.going)
	for wait := firstWait; ; wait = min(2*wait, storeWait) {
		_, err := f.options.Ledger.Settle(free, key, b)
		if err == nil || hopeless(err) {
			return err
		}
		f.waits(waits.For(waits.Book, fmt.Sprintf("booking a call: %v", err), wait))
		if time.Since(start) > f.options.StoreFor || sleep(f.going, wait) != nil {
			f.unsettled.add(key, b)
			return err
		}
	}
}

// hopeless reports whether the ledger will never accept a settlement: it is closed, or has
// no such entry.
func hopeless(err error) bool {
	class := fault.ClassOf(err)
	return class == fault.Preempted || class == fault.Input
}

// unsettled are settlements that the ledger has not accepted yet. They are retried in the
// background.
type unsettled struct {
	ledger  Ledger
	ctx     context.Context //nolint:containedctx // lives as long as the process
	end     context.CancelFunc
	pending panics.Group
}

func newUnsettled(l Ledger) *unsettled {
	ctx, cancel := context.WithCancel(context.Background())
	return &unsettled{ledger: l, ctx: ctx, end: cancel}
}

func (u *unsettled) add(key string, b money.Booking) {
	u.pending.Go(func() error {
		for wait := firstWait; sleep(u.ctx, wait) == nil; wait = min(2*wait, storeWait) {
			if _, err := u.ledger.Settle(u.ctx, key, b); err == nil || hopeless(err) {
				return nil
			}
		}
		return nil
	})
}

// settleFor is how long Close waits for a ledger that accepts nothing.
const settleFor = 5 * time.Second

// Close waits briefly until the ledger has accepted all settlements, and gives up the rest,
// which is booked as lost. No call may be made after it.
func (b *Brokers) Close() error {
	timer := time.AfterFunc(settleFor, b.unsettled.end)
	defer timer.Stop()
	err := b.unsettled.pending.Wait()
	b.unsettled.end()
	return err
}

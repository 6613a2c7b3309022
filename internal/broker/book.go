package broker

import (
	"context"
	"fmt"
	"log/slog"
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
			f.unsettled.add(free, key, b, firstWait)
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
	log     *slog.Logger
	ctx     context.Context //nolint:containedctx // lives as long as the process
	end     context.CancelFunc
	pending panics.Group
}

func newUnsettled(l Ledger, log *slog.Logger) *unsettled {
	ctx, cancel := context.WithCancel(context.Background())
	return &unsettled{ledger: l, log: log, ctx: ctx, end: cancel}
}

// add settles an entry after a wait. ctx has the values of its call.
func (u *unsettled) add(ctx context.Context, key string, b money.Booking, wait time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(u.ctx, cancel)
	u.pending.Go(func() error {
		defer cancel()
		defer stop()
		for ; sleep(ctx, wait) == nil; wait = min(max(firstWait, 2*wait), storeWait) {
			_, err := u.ledger.Settle(ctx, key, b)
			switch {
			case err == nil:
				return nil
			case hopeless(err):
				u.log.ErrorContext(ctx, "a call could not be booked; its reservation stays", "entry", key, "error", err.Error())
				return nil
			}
		}
		return nil
	})
}

// settleEvery is how far apart the settlements of calls are whose callers do not wait for them. Those
// of one moment share a transaction of the ledger.
const settleEvery = 10 * time.Millisecond

// soon is the time until the next such moment.
func soon() time.Duration { return settleEvery - time.Duration(time.Now().UnixNano())%settleEvery }

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

package ledger

import (
	"context"
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/money"
)

// Sweep books every open entry whose process is gone as lost, at its reservation.
func (l *Ledger) Sweep(ctx context.Context) error {
	found, err := l.db.anyGone(ctx)
	if err != nil || !found {
		return err
	}
	return l.enter(ctx, l.sweeping())
}

// sweep is Sweep within the writer.
func (l *Ledger) sweep(ctx context.Context) error {
	found, err := l.db.anyGone(ctx)
	if err != nil || !found {
		return err
	}
	one := l.sweeping()
	l.commit([]*entry{one})
	return <-one.done
}

func (l *Ledger) sweeping() *entry {
	return newEntry(wanted{gone: true}, func(ctx context.Context, b books) (refusal, err error) {
		lost, err := b.gone(ctx)
		for _, r := range lost {
			if err == nil {
				_, err = again(ctx, b, r, money.Booking{Outcome: money.Lost, MicroUSD: r.booked.MicroUSD})
			}
		}
		return nil, err
	}).then(l.tellSettled)
}

// abandon books the open entries of this process as lost. The writer has ended.
func (l *Ledger) abandon() error {
	if len(l.open)+len(l.doubtful) == 0 {
		return nil
	}
	keys := slices.Sorted(maps.Keys(l.open))
	one := newEntry(wanted{find: keys}, func(ctx context.Context, b books) (refusal, err error) {
		for _, key := range keys {
			r, err := b.find(ctx, name{key: key})
			if err != nil {
				return nil, err
			}
			if !r.known() {
				continue
			}
			if _, err := again(ctx, b, r, money.Booking{Outcome: money.Lost, MicroUSD: r.booked.MicroUSD}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	l.commit([]*entry{one})
	return <-one.done
}

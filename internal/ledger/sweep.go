package ledger

import (
	"context"
	"database/sql"

	"github.com/cogniverse/cogflow/money"
)

// gone selects open entries whose process has not been seen for the length of its lease. A
// process that is not listed was last seen when the call began.
const gone = `SELECT c.id FROM call c LEFT JOIN process p ON p.id = c.process
	WHERE c.ended_ms IS NULL AND c.process<>?1
	AND coalesce(p.seen_ms, c.begun_ms) < iif(c.key IS NULL, ?3, ?2)`

// Sweep books every open entry whose process is gone as lost, at its reservation.
func (l *Ledger) Sweep(ctx context.Context) error {
	found, err := l.anyGone(ctx)
	if err != nil || !found {
		return err
	}
	return l.enter(ctx, l.bookGone)
}

// sweep is Sweep within the writer.
func (l *Ledger) sweep(ctx context.Context) error {
	found, err := l.anyGone(ctx)
	if err != nil || !found {
		return err
	}
	one := entry{write: l.bookGone, done: make(chan error, 1)}
	l.commit([]entry{one})
	return <-one.done
}

func (l *Ledger) terms() []any {
	now := l.now()
	return []any{l.process, now.Add(-leaseFor).UnixMilli(), now.Add(-leaseForOld).UnixMilli()}
}

// anyGone reads only, so that a process that does nothing writes nothing.
func (l *Ledger) anyGone(ctx context.Context) (found bool, err error) {
	err = l.db.View(ctx, "sweep ledger", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT EXISTS ("+gone+")", l.terms()...).Scan(&found)
	})
	return found, err
}

func (l *Ledger) bookGone(ctx context.Context, s statements) (refusal, err error) {
	lost, err := s.lost(ctx, l.terms())
	for _, r := range lost {
		if err != nil {
			break
		}
		_, _, err = s.again(ctx, r, money.Booking{Outcome: money.Lost, MicroUSD: r.booked.MicroUSD}, l.now())
	}
	if err == nil && len(lost) > 0 {
		l.tellSettled()
	}
	return nil, err
}

func (s statements) lost(ctx context.Context, terms []any) (out []row, err error) {
	var ids []int64
	rows, err := s.gone.QueryContext(ctx, terms...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, err := s.find(ctx, s.byRow, id)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// abandon books the open entries of this process as lost. The writer has ended.
func (l *Ledger) abandon() error {
	if len(l.open) == 0 {
		return nil
	}
	one := entry{done: make(chan error, 1), write: func(ctx context.Context, s statements) (refusal, err error) {
		for key := range l.open {
			r, err := s.find(ctx, s.byKey, key)
			if err != nil {
				return nil, err
			}
			if _, _, err := s.again(ctx, r, money.Booking{Outcome: money.Lost, MicroUSD: r.booked.MicroUSD}, l.now()); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}}
	l.commit([]entry{one})
	return <-one.done
}

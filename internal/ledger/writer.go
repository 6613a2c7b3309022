package ledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
)

// maxBatch bounds how many entries share a transaction.
const maxBatch = 256

// entry is one change that waits for the writer.
type entry struct {
	// write returns a refusal, having changed nothing, or the failure of the file.
	write func(ctx context.Context, s statements) (refusal, err error)
	done  chan error
}

// enter passes a change to the writer and waits until it is committed. Once the writer has
// taken it, a cancelled ctx does not end the wait, which is short: otherwise it would be
// unknown whether the change was written.
func (l *Ledger) enter(ctx context.Context, write func(ctx context.Context, s statements) (refusal, err error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := entry{write: write, done: make(chan error, 1)}
	select {
	case l.entries <- e:
		return <-e.done
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closing:
		return fault.New(fault.Preempted, "write to ledger", "", "the worker is shutting down")
	}
}

// run writes entries until the ledger is closed. All entries that wait during one
// transaction share the next, so the rate does not depend on the duration of a transaction.
func (l *Ledger) run() error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case first := <-l.entries:
			l.commit(l.gather(first))
		case <-tick.C:
			if len(l.open) > 0 {
				// The next update makes up for a failed one.
				l.commit([]entry{{write: l.alive, done: make(chan error, 1)}})
			}
			// So does the next sweep: summing up a job sweeps first.
			_ = panics.Try(func() error { return l.sweep(context.Background()) })
		case <-l.closing:
			return nil
		}
	}
}

func (l *Ledger) alive(ctx context.Context, s statements) (refusal, err error) {
	return nil, l.beat(ctx, s)
}

// beat updates the timestamp of this process, unless it was just updated.
func (l *Ledger) beat(ctx context.Context, s statements) error {
	now := l.now()
	if now.Sub(l.seen) < beatEvery/2 {
		return nil
	}
	_, err := s.beat.ExecContext(ctx, l.process, now.UnixMilli())
	if err == nil {
		l.seen = now
	}
	return err
}

func (l *Ledger) gather(first entry) []entry {
	batch := []entry{first}
	for len(batch) < maxBatch {
		select {
		case e := <-l.entries:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// commit writes a batch in one transaction. A refusal concerns one entry; a failure of the
// file concerns all, and nothing of the batch is written. A panic is such a failure:
// otherwise callers of the writer would wait for ever.
func (l *Ledger) commit(batch []entry) {
	ctx := context.Background() // the entries of many callers
	refusals := make([]error, len(batch))
	write := func(tx *sql.Tx) error {
		s := l.statements.in(ctx, tx)
		for i, e := range batch {
			var err error
			if refusals[i], err = e.write(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
	failure := panics.Try(func() error {
		return l.db.Update(ctx, "write to ledger", func(tx *sql.Tx) error { return panics.Try(func() error { return write(tx) }) })
	})
	for i, e := range batch {
		if failure != nil {
			e.done <- failure
		} else {
			e.done <- refusals[i]
		}
	}
}

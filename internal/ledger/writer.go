package ledger

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
)

// maxBatch limits how many entries share a transaction: PostgreSQL has room for some
// thousand locks of all its transactions.
const maxBatch = 128

// entry is one change that waits for the writer.
type entry struct {
	wanted wanted
	// write returns a refusal, having changed nothing, or the failure of the database.
	write func(ctx context.Context, b books) (refusal, err error)
	// after runs in the writer once the change is committed.
	after func()
	// made is the entry that write reserves; empty = none.
	made string
	done chan error
}

func newEntry(w wanted, write func(ctx context.Context, b books) (refusal, err error)) *entry {
	return &entry{wanted: w, write: write, after: func() {}, done: make(chan error, 1)}
}

func (e *entry) then(after func()) *entry {
	e.after = after
	return e
}

// enter passes a change to the writer and waits until it is committed. Once the writer has
// taken it, a cancelled ctx does not end the wait, which is short: otherwise it would be
// unknown whether the change was written.
func (l *Ledger) enter(ctx context.Context, e *entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
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
// every is beatEvery.
func (l *Ledger) run(every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case first := <-l.entries:
			l.commit(l.gather(first))
		case <-tick.C:
			l.seen = false
			if len(l.open)+len(l.doubtful) > 0 {
				// The next update makes up for a failed one.
				l.commit([]*entry{newEntry(wanted{}, alive).then(func() { l.seen = true })})
			}
			// So does the next sweep: summing up a job sweeps first.
			_ = panics.Try(func() error { return l.sweep(context.Background()) })
		case <-l.closing:
			return nil
		}
	}
}

// alive updates the time at which this process was last seen.
func alive(ctx context.Context, b books) (refusal, err error) { return nil, b.beat(ctx) }

func (l *Ledger) gather(first *entry) []*entry {
	batch := []*entry{first}
	for yielded := false; len(batch) < maxBatch; {
		select {
		case e := <-l.entries:
			batch = append(batch, e)
		default:
			if yielded {
				return batch
			}
			runtime.Gosched() // goroutines that were woken together are about to send
			yielded = true
		}
	}
	return batch
}

// commit writes a batch in one transaction. A refusal concerns one entry; a failure of the
// database concerns all, and nothing of the batch is written. A panic is such a failure:
// otherwise callers of the writer would wait for ever.
func (l *Ledger) commit(batch []*entry) {
	ctx := context.Background() // the entries of many callers
	refusals := make([]error, len(batch))
	undone := slices.Sorted(maps.Keys(l.doubtful))
	w := wanted{find: undone}
	for _, e := range batch {
		w.add(e.wanted)
	}
	failure := panics.Try(func() error {
		return l.db.update(ctx, w, func(b books) error {
			if err := release(ctx, b, undone, l.process); err != nil {
				return err
			}
			for i, e := range batch {
				var err error
				if refusals[i], err = e.write(ctx, b); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if failure == nil {
		for _, key := range undone {
			delete(l.doubtful, key)
		}
	}
	for i, e := range batch {
		switch {
		case failure != nil && e.made != "":
			l.doubtful[e.made] = struct{}{}
		case failure == nil && refusals[i] == nil:
			e.after()
		}
		e.done <- or(failure, refusals[i])
	}
}

func or(failure, refusal error) error {
	if failure != nil {
		return failure
	}
	return refusal
}

// release books reservations as released whose commit failed. The answer to a commit can be
// lost, so they may be in the database, but no caller knows of them.
func release(ctx context.Context, b books, keys []string, process string) error {
	for _, key := range keys {
		r, err := b.find(ctx, name{key: key})
		if err != nil {
			return err
		}
		if !r.known() || r.process != process {
			continue // it was not committed, and another process may have made it since
		}
		if _, err := again(ctx, b, r, money.Booking{Outcome: money.Released}); err != nil {
			return err
		}
	}
	return nil
}

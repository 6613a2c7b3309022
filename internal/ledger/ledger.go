// Package ledger records every paid call and all GPU time in a database: reserved
// first, settled when the outcome is known. It enforces budgets and counts repeated
// calls. Several worker processes write to it at once, and each can settle what
// another began. It knows no endpoint and no price: callers give the amounts.
package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// forgetAfter is how long the name of a process is kept after it was last seen.
const forgetAfter = time.Hour

const (
	beatEvery = 2 * time.Second // how often a process with open calls updates its timestamp
	// aliveFor is shorter than the heartbeat timeout of activities: when a call
	// of a dead worker is due again, it is known to be lost.
	aliveFor = 3 * beatEvery
	// leaseFor is how long after its process was last seen an entry is booked as
	// lost. It is longer for builds without keys, which cannot correct that.
	leaseFor    = 5 * beatEvery
	leaseForOld = 2 * time.Minute
	// pollEvery is how often a reservation that waits for others looks at what
	// other processes have settled.
	pollEvery = 500 * time.Millisecond
)

// Ledger is an open ledger.
type Ledger struct {
	db      database
	process string        // this one
	entries chan *entry   // unbuffered: what is sent was taken by the writer
	closing chan struct{} // closed by Close
	closed  sync.Once
	writer  panics.Group

	// The writer's:
	open     map[string]struct{} // entries of this process in flight, by key
	doubtful map[string]struct{} // reservations whose commit failed, by key; see release
	seen     bool                // this process was seen since the last tick

	passed sync.Map // ids of alerts that CheckBudgets has made

	mu      sync.Mutex
	settled chan struct{} // closed at the next settlement of this process
}

// Open opens a ledger, and creates it if necessary: the path of a SQLite file, or the URL of
// a PostgreSQL database that several hosts share.
func Open(place string) (*Ledger, error) {
	ctx, process := context.Background(), rand.Text()
	var db database
	var err error
	if postgres.Is(place) {
		db, err = openShared(ctx, place, process, postgres.Open)
	} else {
		db, err = openFile(ctx, place, process)
	}
	if err != nil {
		return nil, err
	}
	return start(db, process, beatEvery), nil
}

func start(db database, process string, every time.Duration) *Ledger {
	l := &Ledger{
		db: db, process: process, open: map[string]struct{}{}, doubtful: map[string]struct{}{},
		entries: make(chan *entry), closing: make(chan struct{}), settled: make(chan struct{}),
	}
	l.writer.Go(func() error { return l.run(every) })
	return l
}

// Close waits until all accepted changes are written and closes the ledger. Calls of this
// process in flight are booked as lost, because no process will settle them.
func (l *Ledger) Close() error {
	var err error
	l.closed.Do(func() {
		close(l.closing)
		err = errors.Join(l.writer.Wait(), l.abandon(), l.db.close())
	})
	return err
}

// roomFor is how long a reservation waits for those of other jobs. The entries of a job of its
// own are short, those of others may not be.
const roomFor = 10 * time.Second

// Reserve is TryReserve that waits, until ctx ends, while reservations in flight
// leave no room. If they leave none in a budget that jobs share, the wait ends with
// a budget fault after a while, and the run waits in its workflow.
func (l *Ledger) Reserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for start := time.Now(); ; {
		settled := l.Settled()
		r, err := l.TryReserve(ctx, c, limitMicroUSD)
		if !errors.Is(err, money.ErrNoRoom) {
			return r, err
		}
		if by, ok := errors.AsType[*money.Blocked](err); ok && time.Since(start) >= roomFor {
			return r, &fault.Error{Class: fault.Budget, Op: "begin call", Subject: c.Model, Err: by.Settled()}
		}
		select {
		case <-settled:
		case <-poll.C:
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

// TryReserve reserves the cost of a call and returns once that is written. It
// returns, and records nothing,
//   - a budget fault when what the job has settled and the call would exceed
//     limitMicroUSD (0 = no limit);
//   - a budget fault with a money.Blocked when a hard budget that covers the call
//     leaves no room, or the call's cost is unknown and there is such a budget;
//   - an overload fault with money.ErrNoRoom when only reservations in flight
//     leave no room: they may settle for less;
//   - an overload fault with money.ErrElsewhere while another living process has
//     a call of the same tenant and fingerprint open, or has ended it with an
//     answer a moment ago: look for the stored answer before the next try;
//   - an input fault with money.ErrGivenUp when too many calls of the fingerprint
//     were billed in this job and brought nothing, or were lost.
//
// A call with an Attempt whose entry is open is taken over by this process.
func (l *Ledger) TryReserve(ctx context.Context, c video.Call, limitMicroUSD int64) (out money.Reservation, err error) {
	r := request{c, limitMicroUSD}
	if err := r.check(); err != nil {
		return out, err
	}
	r.CostMicroUSD = min(r.CostMicroUSD, mostMicro)
	w := wanted{reserve: []request{r}}
	if r.Attempt > 0 {
		w.find = []string{r.key(r.Attempt)}
	}
	e := newEntry(w, nil).then(func() { l.open[out.Key], l.seen = struct{}{}, true })
	e.write = func(ctx context.Context, b books) (refusal, err error) {
		out, refusal, err = reserve(ctx, b, r)
		if refusal != nil || err != nil {
			return refusal, err
		}
		if r.Attempt == 0 { // a retry with an attempt takes the entry over
			e.made = out.Key
		}
		if l.seen {
			return nil, nil
		}
		return nil, b.beat(ctx)
	}
	return out, l.enter(ctx, e)
}

// Settled returns a channel that is closed at the next settlement of this
// process.
func (l *Ledger) Settled() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settled
}

func (l *Ledger) tellSettled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.settled)
	l.settled = make(chan struct{})
}

// Settle books how an entry ended and returns the current booking. Any process may settle
// it, any number of times: see money.Settle for which settlement stands. A different
// earlier settlement is not an error.
func (l *Ledger) Settle(ctx context.Context, key string, said money.Booking) (booked money.Booking, err error) {
	if key == "" || !said.Outcome.Known() || said.MicroUSD < 0 {
		return booked, fault.New(fault.Input, "end call", "", "an entry needs a key, a known outcome, and a cost that is not negative")
	}
	said.MicroUSD = min(said.MicroUSD, mostMicro)
	booked, err = l.end(ctx, name{key: key}, said)
	if err == nil {
		l.tellSettled()
	}
	return booked, err
}

func (l *Ledger) end(ctx context.Context, n name, said money.Booking) (booked money.Booking, err error) {
	var w wanted
	if n.key != "" {
		w.find = []string{n.key}
	}
	e := newEntry(w, func(ctx context.Context, b books) (refusal, err error) {
		booked, refusal, err = settle(ctx, b, n, said)
		return refusal, err
	}).then(func() { delete(l.open, n.key) })
	err = l.enter(ctx, e)
	return booked, err
}

// End settles an entry by the number of its row, as builds without keys name it.
func (l *Ledger) End(ctx context.Context, id int64, answered bool, costMicroUSD int64) error {
	said := money.Booking{Outcome: money.Answered, MicroUSD: min(max(costMicroUSD, 0), mostMicro)}
	if !answered {
		said.Outcome = money.BilledFailure
		if said.MicroUSD == 0 {
			said.Outcome = money.Refused
		}
	}
	_, err := l.end(ctx, name{row: id}, said)
	return err
}

// Spent is the settled cost of a job or, with a workflow, of that workflow's calls in the
// job. It does not add up calls.
func (l *Ledger) Spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error) {
	return l.db.spent(ctx, t, job, workflow)
}

// Job sums up the calls of a job. Open calls of a dead process count as lost.
func (l *Ledger) Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error) {
	if err := l.Sweep(ctx); err != nil {
		return video.Spend{}, err
	}
	return l.db.job(ctx, t, job)
}

// recent is the number of calls that Latency averages: enough to smooth single slow ones,
// few enough to follow a server that became faster.
const recent = 200

// Held finds an entry of a job by its key, or where that is empty by the number of its
// row: what it is booked at, and when it was begun. found is false for one of another job.
func (l *Ledger) Held(ctx context.Context, t tenant.ID, job, key string, row int64) (microUSD int64, begun time.Time, found bool, err error) {
	return l.db.held(ctx, t, job, name{key, row})
}

// Latency is the mean time from begin to end of the last answered calls of a model, of all
// tenants; 0 when there are none. Training on the model is no call.
func (l *Ledger) Latency(ctx context.Context, model string) (time.Duration, error) {
	return l.db.latency(ctx, model, recent)
}

// Package ledger records every paid call and all GPU time in one SQLite file: reserved
// first, settled when the outcome is known. It enforces budgets and counts repeated
// calls. Several worker processes write to the file at once, and each can settle what
// another began. It knows no endpoint and no price: callers give the amounts.
package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// forgetAfter is how long the name of a process is kept after it was last seen.
const forgetAfter = time.Hour

// schema of version 1. spend keeps the settled cost of each job, so that Begin
// need not add up its calls.
const schema = `
CREATE TABLE call (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	tenant      TEXT NOT NULL,
	job         TEXT NOT NULL,
	workflow    TEXT NOT NULL,
	kind        TEXT NOT NULL,
	model       TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	begun_ms    INTEGER NOT NULL, -- Unix time
	ended_ms    INTEGER,          -- NULL: in flight, or lost with a worker
	answered    INTEGER NOT NULL DEFAULT 0,
	cost        INTEGER NOT NULL  -- micro-USD: reserved while open, then settled
) STRICT;
CREATE INDEX call_job ON call (tenant, job, fingerprint, ended_ms, answered, cost);
CREATE INDEX call_open ON call (tenant, job, begun_ms, cost) WHERE ended_ms IS NULL;
CREATE INDEX call_model ON call (model) WHERE answered;
CREATE TABLE spend (
	tenant  TEXT NOT NULL,
	job     TEXT NOT NULL,
	settled INTEGER NOT NULL, -- micro-USD
	PRIMARY KEY (tenant, job)
) STRICT, WITHOUT ROWID;
`

// owners is the step to version 2: the process that makes a call, and when each
// was last known to live. While a process lives its open calls are in flight,
// so that no other process makes them as well.
const owners = `
ALTER TABLE call ADD COLUMN process TEXT NOT NULL DEFAULT '';
CREATE INDEX call_fingerprint ON call (tenant, fingerprint);
CREATE TABLE process (
	id      TEXT PRIMARY KEY,
	seen_ms INTEGER NOT NULL -- Unix time
) STRICT, WITHOUT ROWID;
`

// keys is the first addition: what an entry is paid for, how it ended, and what
// each workflow of a job has spent. A build without it writes rows without a key.
const keys = `
ALTER TABLE call ADD COLUMN key TEXT; -- of what is paid for; NULL: written by a build without keys
ALTER TABLE call ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN outcome TEXT NOT NULL DEFAULT ''; -- see money.Outcome
CREATE UNIQUE INDEX call_key ON call (key) WHERE key IS NOT NULL;
CREATE TABLE spend_workflow (
	tenant   TEXT NOT NULL,
	job      TEXT NOT NULL,
	workflow TEXT NOT NULL,
	settled  INTEGER NOT NULL, -- micro-USD
	PRIMARY KEY (tenant, job, workflow)
) STRICT, WITHOUT ROWID;
`

func kind() dbfile.Kind {
	return dbfile.Kind{
		Name:          "call ledger",
		ApplicationID: 0x434f474c, // "COGL"
		Migrations:    []string{schema, owners},
		Additions:     []string{keys},
	}
}

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

// Ledger is an open ledger file.
type Ledger struct {
	db         *dbfile.DB
	process    string              // this one
	open       map[string]struct{} // entries of this process in flight, by key; the writer's
	seen       time.Time           // when this process last updated its timestamp; the writer's
	statements statements
	now        func() time.Time
	entries    chan entry    // unbuffered: what is sent was taken by the writer
	closing    chan struct{} // closed by Close
	closed     sync.Once
	writer     panics.Group

	mu      sync.Mutex
	settled chan struct{} // closed at the next settlement of this process
}

// Open opens or creates the ledger file.
func Open(path string) (*Ledger, error) {
	db, err := dbfile.Open(context.Background(), path, kind())
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		db: db, process: rand.Text(), open: map[string]struct{}{}, now: time.Now,
		entries: make(chan entry), closing: make(chan struct{}), settled: make(chan struct{}),
	}
	if err := l.forget(context.Background()); err != nil {
		_ = db.Close() // the cause says more than a failing close
		return nil, err
	}
	if l.statements, err = prepare(context.Background(), db.Write); err != nil {
		_ = db.Close() // the cause says more than a failing close
		return nil, db.Fault("open call ledger", err)
	}
	l.writer.Go(l.run)
	return l, nil
}

// forget removes the names of processes that have ended long ago.
func (l *Ledger) forget(ctx context.Context) error {
	return l.db.Update(ctx, "open call ledger", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM process WHERE seen_ms<?", l.now().Add(-forgetAfter).UnixMilli())
		return err
	})
}

// Close waits until all accepted changes are written and closes the file. Calls of this
// process in flight are booked as lost, because no process will settle them.
func (l *Ledger) Close() error {
	var err error
	l.closed.Do(func() {
		close(l.closing)
		err = errors.Join(l.writer.Wait(), l.abandon(), l.db.Close())
	})
	return err
}

// Reserve is TryReserve that waits, until ctx ends, while reservations in flight
// leave no room.
func (l *Ledger) Reserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		settled := l.Settled()
		r, err := l.TryReserve(ctx, c, limitMicroUSD)
		if !errors.Is(err, money.ErrNoRoom) {
			return r, err
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
	if c.Tenant == "" || c.Job == "" || c.Fingerprint == "" || c.Attempt < 0 || c.CostMicroUSD < 0 || limitMicroUSD < 0 {
		return out, fault.New(fault.Input, "begin call", c.Model,
			"a call needs a tenant, a job and a fingerprint; its attempt, cost and limit must not be negative")
	}
	c.CostMicroUSD = min(c.CostMicroUSD, mostMicro)
	err = l.enter(ctx, func(ctx context.Context, s statements) (refusal, err error) {
		out, refusal, err = s.reserve(ctx, request{c, limitMicroUSD, l.process, l.now()})
		if refusal != nil || err != nil {
			return refusal, err
		}
		l.open[out.Key] = struct{}{}
		return nil, l.beat(ctx, s)
	})
	return out, err
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
func (l *Ledger) Settle(ctx context.Context, key string, o money.Outcome, microUSD int64) (booked money.Booking, err error) {
	if key == "" || !o.Known() || microUSD < 0 {
		return booked, fault.New(fault.Input, "end call", "", "an entry needs a key, a known outcome, and a cost that is not negative")
	}
	said := money.Booking{Outcome: o, MicroUSD: min(microUSD, mostMicro)}
	err = l.enter(ctx, func(ctx context.Context, s statements) (refusal, err error) {
		booked, refusal, err = s.end(ctx, key, said, l.now())
		if err == nil {
			delete(l.open, key)
		}
		return refusal, err
	})
	if err == nil {
		l.tellSettled()
	}
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
	return l.enter(ctx, func(ctx context.Context, s statements) (refusal, err error) {
		r, err := s.find(ctx, s.byRow, id)
		if err != nil {
			return nil, err
		}
		_, refusal, err = s.again(ctx, r, said, l.now())
		return refusal, err
	})
}

// Spent is the settled cost of a job or, with a workflow, of that workflow's calls in the
// job. It does not add up calls.
func (l *Ledger) Spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error) {
	query, args := "SELECT coalesce((SELECT settled FROM spend WHERE tenant=? AND job=?), 0)", []any{string(t), job}
	if workflow != "" {
		query = "SELECT coalesce((SELECT settled FROM spend_workflow WHERE tenant=? AND job=? AND workflow=?), 0)"
		args = append(args, workflow)
	}
	err = l.db.View(ctx, "sum up calls", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, query, args...).Scan(&microUSD)
	})
	return microUSD, err
}

// Job sums up the calls of a job. Open calls of a dead process count as lost.
func (l *Ledger) Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error) {
	var s video.Spend
	if err := l.Sweep(ctx); err != nil {
		return s, err
	}
	var settled, reserved float64
	err := l.db.View(ctx, "sum up calls", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT coalesce(sum(calls), 0), coalesce(sum(describe), 0), coalesce(sum(answered), 0),
			coalesce(sum(open), 0), coalesce(sum(charged), 0), coalesce(sum(lost), 0),
			coalesce(sum(max(0, answered + charged + lost - 1)), 0), total(settled), total(reserved)
			FROM (SELECT sum(o<>'released') AS calls, sum(o<>'released' AND kind='describe') AS describe, sum(o='answered') AS answered,
				sum(o='') AS open, sum(o='charged') AS charged, sum(o='lost') AS lost,
				total(iif(o='', 0, cost)) AS settled, total(iif(o='', cost, 0)) AS reserved
				FROM (SELECT fingerprint, kind, cost, `+ended+` AS o FROM call WHERE tenant=? AND job=?) GROUP BY fingerprint)`,
			string(t), job).
			Scan(&s.Calls, &s.Describe, &s.Answered, &s.Open, &s.Charged, &s.Lost, &s.Repeated, &settled, &reserved)
	})
	s.CostMicroUSD, s.Reserved = micro(settled), micro(reserved)
	return s, err
}

// recent is the number of calls that Latency averages: enough to smooth single slow ones,
// few enough to follow a server that became faster.
const recent = 200

// Held finds an entry of a job by its key, or where that is empty by the number of its
// row: what it is booked at, and when it was begun. found is false for one of another job.
func (l *Ledger) Held(ctx context.Context, t tenant.ID, job, key string, row int64) (microUSD int64, begun time.Time, found bool, err error) {
	var ms int64
	err = l.db.View(ctx, "find call", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT cost, begun_ms FROM call WHERE tenant=?1 AND job=?2 AND iif(?3='', id=?4, key=?3)`,
			string(t), job, key, row).Scan(&microUSD, &ms)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, false, nil
	}
	return microUSD, time.UnixMilli(ms), err == nil, err
}

// Latency is the mean time from begin to end of the last answered calls of a model, of all
// tenants; 0 when there are none.
func (l *Ledger) Latency(ctx context.Context, model string) (time.Duration, error) {
	var ms float64
	err := l.db.View(ctx, "measure calls", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT coalesce(avg(max(0, ended_ms - begun_ms)), 0.0) FROM
			(SELECT begun_ms, ended_ms FROM call WHERE model=? AND answered ORDER BY id DESC LIMIT ?)`,
			model, recent).Scan(&ms)
	})
	return time.Duration(ms * float64(time.Millisecond)), err
}

// Package ledger records every paid call of a model in one SQLite file: begun
// before it is made, ended when its answer is stored. It is where budgets are
// enforced and where repeated calls are counted. Several worker processes write
// to the file at once.
package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// lostAfter is how long an open call counts against the budget. A call takes
// seconds; one that is older was lost with its worker. It stays open in Job.
const lostAfter = time.Hour

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

const (
	beatEvery = 2 * time.Second // how often a process with open calls says that it lives
	// aliveFor is shorter than the heartbeat timeout of activities: when a call
	// of a dead worker is due again, it is known to be lost.
	aliveFor = 3 * beatEvery
)

// Ledger is an open ledger file.
type Ledger struct {
	db         *dbfile.DB
	process    string             // this one
	open       map[int64]struct{} // calls of this process in flight; the writer's
	seen       time.Time          // when this process last said that it lives; the writer's
	statements statements
	now        func() time.Time
	entries    chan entry    // unbuffered: what is sent was taken by the writer
	closing    chan struct{} // closed by Close
	closed     sync.Once
	writer     sync.WaitGroup
}

// Open opens or creates the ledger file.
func Open(path string) (*Ledger, error) {
	db, err := dbfile.Open(context.Background(), path, dbfile.Kind{
		Name:          "call ledger",
		ApplicationID: 0x434f474c, // "COGL"
		Migrations:    []string{schema, owners},
	})
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		db: db, process: rand.Text(), open: map[int64]struct{}{}, now: time.Now,
		entries: make(chan entry), closing: make(chan struct{}),
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
		_, err := tx.ExecContext(ctx, "DELETE FROM process WHERE seen_ms<?", l.now().Add(-lostAfter).UnixMilli())
		return err
	})
}

// Close waits until what the writer has taken is written and closes the file.
func (l *Ledger) Close() error {
	var err error
	l.closed.Do(func() {
		close(l.closing)
		l.writer.Wait()
		err = l.db.Close()
	})
	return err
}

// Begin reserves the cost of a call and returns once that is written. When what
// the job has settled and reserved would then exceed limitMicroUSD (0 = no
// limit) it returns a budget fault and records nothing. Reservations of calls
// begun more than an hour ago no longer count: their worker is dead.
//
// While another living process has a call of the same tenant and fingerprint
// open, or has ended it with an answer a moment ago, it returns an overload
// fault: look for the stored answer before the next try.
func (l *Ledger) Begin(ctx context.Context, c video.Call, limitMicroUSD int64) (id int64, err error) {
	if c.Tenant == "" || c.Job == "" || c.Fingerprint == "" || c.CostMicroUSD < 0 || limitMicroUSD < 0 {
		return 0, fault.New(fault.Input, "begin call", c.Model,
			"a call needs a tenant, a job, a fingerprint, and a cost and limit that are not negative")
	}
	err = l.enter(ctx, func(ctx context.Context, s statements) (refusal, err error) {
		id, refusal, err = s.begin(ctx, c, limitMicroUSD, l.process, l.now())
		if refusal != nil || err != nil {
			return refusal, err
		}
		l.open[id] = struct{}{}
		return nil, l.beat(ctx, s)
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// End settles a call. Ending it again in the same way changes nothing.
func (l *Ledger) End(ctx context.Context, id int64, answered bool, costMicroUSD int64) error {
	if costMicroUSD < 0 {
		return fault.New(fault.Input, "end call", "", "its cost is negative")
	}
	return l.enter(ctx, func(ctx context.Context, s statements) (refusal, err error) {
		delete(l.open, id)
		return s.end(ctx, id, answered, costMicroUSD, l.now())
	})
}

// Job sums up the calls of a job. A call of a fingerprint is repeated if
// another call of it was answered or lost; those known not to have been
// answered do not count.
func (l *Ledger) Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error) {
	var s video.Spend
	err := l.db.View(ctx, "sum up calls", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT coalesce(sum(calls), 0), coalesce(sum(answered), 0), coalesce(sum(open), 0),
			coalesce(sum(max(0, answered + open - 1)), 0), coalesce(sum(settled), 0), coalesce(sum(reserved), 0)
			FROM (SELECT count(*) AS calls, sum(answered) AS answered, sum(ended_ms IS NULL) AS open,
				sum(iif(ended_ms IS NULL, 0, cost)) AS settled, sum(iif(ended_ms IS NULL, cost, 0)) AS reserved
				FROM call WHERE tenant=? AND job=? GROUP BY fingerprint)`, string(t), job).
			Scan(&s.Calls, &s.Answered, &s.Open, &s.Repeated, &s.CostMicroUSD, &s.Reserved)
	})
	return s, err
}

// recent is how many calls Latency looks at: enough to even out single slow
// ones, few enough to follow a server that became faster.
const recent = 200

// Latency is the mean time from begin to end of the last answered calls of a
// model, whosever they are; 0 when there are none.
func (l *Ledger) Latency(ctx context.Context, model string) (time.Duration, error) {
	var ms float64
	err := l.db.View(ctx, "measure calls", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT coalesce(avg(max(0, ended_ms - begun_ms)), 0.0) FROM
			(SELECT begun_ms, ended_ms FROM call WHERE model=? AND answered ORDER BY id DESC LIMIT ?)`,
			model, recent).Scan(&ms)
	})
	return time.Duration(ms * float64(time.Millisecond)), err
}

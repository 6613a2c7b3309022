package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/ledger/schema"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// sqlite is a ledger in a file of this host. The clock of the file is the host's.
type sqlite struct {
	db         *dbfile.DB
	process    string // this one
	statements statements
	now        func() time.Time
}

func openFile(ctx context.Context, path, process string) (*sqlite, error) {
	db, err := dbfile.Open(ctx, path, schema.File())
	if err != nil {
		return nil, err
	}
	s := &sqlite{db: db, process: process, now: time.Now}
	if err := s.forget(ctx); err != nil {
		_ = db.Close() // the cause says more than a failing close
		return nil, err
	}
	if s.statements, err = prepare(ctx, db.Write); err != nil {
		_ = db.Close() // the cause says more than a failing close
		return nil, db.Fault("open call ledger", err)
	}
	return s, nil
}

// forget removes the names of processes that have ended long ago.
func (s *sqlite) forget(ctx context.Context) error {
	return s.db.Update(ctx, "open call ledger", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM process WHERE seen_ms<?", s.now().Add(-forgetAfter).UnixMilli())
		return err
	})
}

func (s *sqlite) close() error { return s.db.Close() }

func (s *sqlite) update(ctx context.Context, _ wanted, change func(b books) error) error {
	return s.db.Update(ctx, "write to ledger", func(tx *sql.Tx) error {
		// A panic rolls back: dbfile would leave the transaction open.
		return panics.Try(func() error { return change(sqliteBooks{s, tx}) })
	})
}

// gone selects open entries whose process has not been seen for the length of its lease. A
// process that is not listed was last seen when the call began.
const gone = `SELECT c.id FROM call c LEFT JOIN process p ON p.id = c.process
	WHERE c.ended_ms IS NULL AND c.process<>?1
	AND coalesce(p.seen_ms, c.begun_ms) < iif(c.key IS NULL, ?3, ?2)`

// leases are the arguments of gone.
func (s *sqlite) leases() []any {
	now := s.now()
	return []any{s.process, now.Add(-leaseFor).UnixMilli(), now.Add(-leaseForOld).UnixMilli()}
}

func (s *sqlite) anyGone(ctx context.Context) (found bool, err error) {
	err = s.db.View(ctx, "sweep ledger", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT EXISTS ("+gone+")", s.leases()...).Scan(&found)
	})
	return found, err
}

func (s *sqlite) spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error) {
	query, args := "SELECT coalesce((SELECT settled FROM spend WHERE tenant=? AND job=?), 0)", []any{string(t), job}
	if workflow != "" {
		query = "SELECT coalesce((SELECT settled FROM spend_workflow WHERE tenant=? AND job=? AND workflow=?), 0)"
		args = append(args, workflow)
	}
	err = s.db.View(ctx, "sum up calls", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, query, args...).Scan(&microUSD)
	})
	return microUSD, err
}

func (s *sqlite) job(ctx context.Context, t tenant.ID, job string) (out video.Spend, err error) {
	var settled, reserved float64
	err = s.db.View(ctx, "sum up calls", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT coalesce(sum(calls), 0), coalesce(sum(describe), 0), coalesce(sum(answered), 0),
			coalesce(sum(open), 0), coalesce(sum(charged), 0), coalesce(sum(lost), 0),
			coalesce(sum(max(0, answered + charged + lost - 1)), 0), total(settled), total(reserved)
			FROM (SELECT sum(o<>'released') AS calls, sum(o<>'released' AND kind='describe') AS describe, sum(o='answered') AS answered,
				sum(o='') AS open, sum(o='charged') AS charged, sum(o='lost') AS lost,
				total(iif(o='', 0, cost)) AS settled, total(iif(o='', cost, 0)) AS reserved
				FROM (SELECT fingerprint, kind, cost, `+schema.EndedInFile+` AS o FROM call WHERE tenant=? AND job=?) GROUP BY fingerprint)`,
			string(t), job).
			Scan(&out.Calls, &out.Describe, &out.Answered, &out.Open, &out.Charged, &out.Lost, &out.Repeated, &settled, &reserved)
	})
	out.CostMicroUSD, out.Reserved = micro(settled), micro(reserved)
	return out, err
}

func (s *sqlite) held(ctx context.Context, t tenant.ID, job string, n name) (microUSD int64, begun time.Time, found bool, err error) {
	var ms int64
	err = s.db.View(ctx, "find call", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT cost, begun_ms FROM call WHERE tenant=?1 AND job=?2 AND iif(?3='', id=?4, key=?3)`,
			string(t), job, n.key, n.row).Scan(&microUSD, &ms)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, false, nil
	}
	return microUSD, time.UnixMilli(ms), err == nil, err
}

func (s *sqlite) latency(ctx context.Context, model string, last int) (time.Duration, error) {
	var ms float64
	err := s.db.View(ctx, "measure calls", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT coalesce(avg(max(0, ended_ms - begun_ms)), 0.0) FROM
			(SELECT begun_ms, ended_ms FROM call WHERE model=? AND answered AND kind<>'train' ORDER BY id DESC LIMIT ?)`,
			model, last).Scan(&ms)
	})
	return time.Duration(ms * float64(time.Millisecond)), err
}

// sqliteBooks are the prepared statements within a transaction.
type sqliteBooks struct {
	*sqlite
	tx *sql.Tx
}

func (b sqliteBooks) in(ctx context.Context, s *sql.Stmt) *sql.Stmt { return b.tx.StmtContext(ctx, s) }

func (b sqliteBooks) rival(ctx context.Context, r request) (found bool, err error) {
	since := b.now().Add(-aliveFor).UnixMilli()
	err = b.in(ctx, b.statements.rival).QueryRowContext(ctx, string(r.Tenant), string(r.Fingerprint), b.process, since).Scan(&found)
	return found, err
}

func (b sqliteBooks) earlier(ctx context.Context, r request) (e earlier, err error) {
	err = b.in(ctx, b.statements.earlier).QueryRowContext(ctx, string(r.Tenant), r.Job, string(r.Fingerprint)).Scan(&e.made, &e.charged, &e.lost)
	return e, err
}

func (b sqliteBooks) spent(ctx context.Context, r request) (settled, held int64, err error) {
	var reserved float64 // a sum of integers may overflow in SQL
	err = b.in(ctx, b.statements.spent).QueryRowContext(ctx, string(r.Tenant), r.Job).Scan(&settled, &reserved)
	return settled, micro(reserved), err
}

func (b sqliteBooks) insert(ctx context.Context, r request, as money.Reservation) error {
	_, err := b.in(ctx, b.statements.insert).ExecContext(ctx, string(r.Tenant), r.Job, r.Workflow, r.Kind, r.Model,
		string(r.Fingerprint), b.now().UnixMilli(), as.MicroUSD, b.process, as.Key, as.Attempt, r.GPU)
	return err
}

func (b sqliteBooks) take(ctx context.Context, r row) error {
	_, err := b.in(ctx, b.statements.take).ExecContext(ctx, r.row, b.process)
	return err
}

func (b sqliteBooks) find(ctx context.Context, n name) (r row, err error) {
	var key sql.NullString
	by, value := b.statements.byKey, any(n.key)
	if n.key == "" {
		by, value = b.statements.byRow, n.row
	}
	err = b.in(ctx, by).QueryRowContext(ctx, value).
		Scan(&r.row, &key, &r.tenant, &r.job, &r.workflow, &r.process, &r.open, &r.booked.Outcome, &r.booked.MicroUSD)
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, nil
	}
	r.key = key.String
	return r, err
}

func (b sqliteBooks) settle(ctx context.Context, r row, now money.Booking) error {
	u := now.Used
	_, err := b.in(ctx, b.statements.correct).ExecContext(ctx, r.row, b.now().UnixMilli(), now.Outcome == money.Answered, string(now.Outcome), now.MicroUSD,
		u.InputTokens, u.OutputTokens, u.CachedTokens, u.ReasoningTokens, u.GPUMS)
	if err != nil {
		return err
	}
	more := r.difference(now)
	if more == 0 {
		return nil
	}
	if _, err := b.in(ctx, b.statements.spend).ExecContext(ctx, r.tenant, r.job, more); err != nil {
		return err
	}
	_, err = b.in(ctx, b.statements.share).ExecContext(ctx, r.tenant, r.job, r.workflow, more)
	return err
}

func (b sqliteBooks) gone(ctx context.Context) (out []row, err error) {
	ids, err := b.goneRows(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, err := b.find(ctx, name{row: id})
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (b sqliteBooks) goneRows(ctx context.Context) (ids []int64, err error) {
	rows, err := b.in(ctx, b.statements.gone).QueryContext(ctx, b.leases()...)
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
	return ids, rows.Err()
}

func (b sqliteBooks) beat(ctx context.Context) error {
	_, err := b.in(ctx, b.statements.beat).ExecContext(ctx, b.process, b.now().UnixMilli())
	return err
}

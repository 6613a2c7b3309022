package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// ended is the outcome of a row. Builds before the column outcome left it empty.
const ended = `CASE WHEN outcome<>'' OR ended_ms IS NULL THEN outcome
	WHEN answered THEN 'answered' WHEN cost>0 THEN 'charged' ELSE 'refused' END`

// statements are those of the writer, prepared once.
type statements struct {
	rival, beat, spent, earlier, insert, take, finish, settle, share, byKey, byRow, correct, gone *sql.Stmt
}

func (s *statements) all() map[**sql.Stmt]string {
	return map[**sql.Stmt]string{
		&s.rival: `SELECT EXISTS (SELECT 1 FROM call c JOIN process p ON p.id = c.process
			WHERE c.tenant=?1 AND c.fingerprint=?2 AND c.process<>?3
			AND (c.ended_ms IS NULL AND p.seen_ms>?4 OR c.answered AND c.ended_ms>?4))`,
		&s.beat: "INSERT INTO process (id, seen_ms) VALUES (?, ?) ON CONFLICT DO UPDATE SET seen_ms=excluded.seen_ms",
		&s.spent: `SELECT coalesce((SELECT settled FROM spend WHERE tenant=?1 AND job=?2), 0),
			coalesce((SELECT total(cost) FROM call INDEXED BY call_open WHERE tenant=?1 AND job=?2 AND ended_ms IS NULL), 0)`,
		&s.earlier: `SELECT count(*), coalesce(sum(outcome='charged'), 0), coalesce(sum(outcome='lost'), 0) FROM call WHERE tenant=? AND job=? AND fingerprint=?`,
		&s.insert: `INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, cost, process, key, attempt)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		&s.take: "UPDATE call SET process=?2 WHERE key=?1 AND ended_ms IS NULL RETURNING cost",
		&s.finish: `UPDATE call SET ended_ms=?2, answered=?3, outcome=?4, cost=?5 WHERE key=?1 AND ended_ms IS NULL
			RETURNING tenant, job, workflow`,
		&s.settle: `INSERT INTO spend (tenant, job, settled) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET settled=min(settled+excluded.settled, 1<<62)`,
		&s.share: `INSERT INTO spend_workflow (tenant, job, workflow, settled) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET settled=min(settled+excluded.settled, 1<<62)`,
		&s.byKey:   "SELECT id, tenant, job, workflow, ended_ms IS NULL, " + ended + ", cost FROM call WHERE key=?",
		&s.byRow:   "SELECT id, tenant, job, workflow, ended_ms IS NULL, " + ended + ", cost FROM call WHERE id=?",
		&s.gone:    gone,
		&s.correct: "UPDATE call SET ended_ms=?2, answered=?3, outcome=?4, cost=?5 WHERE id=?1",
	}
}

func prepare(ctx context.Context, db *sql.DB) (s statements, err error) {
	for into, query := range s.all() {
		if *into, err = db.PrepareContext(ctx, query); err != nil {
			return s, err
		}
	}
	return s, nil
}

// in returns the statements bound to a transaction.
func (s statements) in(ctx context.Context, tx *sql.Tx) statements {
	out := s
	for stmt := range out.all() {
		*stmt = tx.StmtContext(ctx, *stmt)
	}
	return out
}

// request is a call that needs a reservation.
type request struct {
	video.Call
	limit   int64
	process string
	now     time.Time
}

// reserve returns a refusal, without writing, if the call must not be made now.
func (s statements) reserve(ctx context.Context, r request) (out money.Reservation, refusal, err error) {
	if r.Attempt > 0 {
		out.Key, out.Attempt = r.key(r.Attempt), r.Attempt
		if taken, refusal, err := s.takeOver(ctx, &out, r); taken || refusal != nil || err != nil {
			return out, refusal, err
		}
	}
	var rival bool
	err = s.rival.QueryRowContext(ctx, string(r.Tenant), string(r.Fingerprint), r.process, r.now.Add(-aliveFor).UnixMilli()).Scan(&rival)
	if err != nil {
		return out, nil, err
	}
	if rival {
		return out, &fault.Error{
			Class: fault.Overload, Op: "begin call", Subject: r.Model, RetryAfter: time.Second, Err: money.ErrElsewhere,
			Reason: "another worker is making or has just made the same call; waiting for its answer",
		}, nil
	}
	if r.Attempt == 0 {
		var earlier, lost int
		err := s.earlier.QueryRowContext(ctx, string(r.Tenant), r.Job, string(r.Fingerprint)).Scan(&earlier, &out.Charged, &lost)
		if err != nil {
			return out, nil, err
		}
		if out.Charged >= money.MaxCharged {
			return out, money.GiveUp("begin call", r.Model, out.Charged, nil), nil
		}
		if lost >= money.MaxLost {
			return out, money.GiveUpLost("begin call", r.Model, lost), nil
		}
		out.Attempt = earlier + 1
		out.Key = r.key(out.Attempt)
	}
	if refusal, err := s.afford(ctx, r); refusal != nil || err != nil {
		return out, refusal, err
	}
	out.MicroUSD = r.CostMicroUSD
	_, err = s.insert.ExecContext(ctx, string(r.Tenant), r.Job, r.Workflow, r.Kind, r.Model,
		string(r.Fingerprint), r.now.UnixMilli(), r.CostMicroUSD, r.process, out.Key, out.Attempt)
	return out, nil, err
}

func (r request) key(attempt int) string {
	return money.NewKey(string(r.Tenant), r.Job, r.Kind, string(r.Fingerprint), attempt)
}

// takeOver assigns an open entry to this process. A settled one is refused: it is paid.
func (s statements) takeOver(ctx context.Context, out *money.Reservation, r request) (taken bool, refusal, err error) {
	err = s.take.QueryRowContext(ctx, out.Key, r.process).Scan(&out.MicroUSD)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return err == nil, nil, err
	}
	one, err := s.find(ctx, s.byKey, out.Key)
	if err != nil || one.id == 0 {
		return false, nil, err
	}
	return false, fault.New(fault.Input, "begin call", r.Model, fmt.Sprintf("attempt %d is settled already", r.Attempt)), nil
}

// afford applies the rule of the limit.
func (s statements) afford(ctx context.Context, r request) (refusal, err error) {
	if r.limit <= 0 || r.CostMicroUSD == 0 {
		return nil, nil
	}
	var settled int64
	var reserved float64 // a sum of integers may overflow in SQL
	if err := s.spent.QueryRowContext(ctx, string(r.Tenant), r.Job).Scan(&settled, &reserved); err != nil {
		return nil, err
	}
	held := micro(reserved)
	switch money.Decide(r.limit, settled, held, r.CostMicroUSD) {
	case money.Exceeded:
		return fault.New(fault.Budget, "begin call", r.Model, fmt.Sprintf(
			"it may cost %s, and job %q has spent %s of its limit of %s; raise the limit to continue",
			dollars(r.CostMicroUSD), r.Job, dollars(settled), dollars(r.limit))), nil
	case money.Wait:
		return &fault.Error{
			Class: fault.Overload, Op: "begin call", Subject: r.Model, RetryAfter: time.Second, Err: money.ErrNoRoom,
			Reason: fmt.Sprintf("it may cost %s, and calls in flight of job %q reserve %s of what is left; waiting for them to end",
				dollars(r.CostMicroUSD), r.Job, dollars(held)),
		}, nil
	default:
		return nil, nil
	}
}

// row is an entry as it is in the file; id 0 = none.
type row struct {
	id                    int64
	tenant, job, workflow string
	open                  bool
	booked                money.Booking
}

func (s statements) find(ctx context.Context, by *sql.Stmt, name any) (r row, err error) {
	err = by.QueryRowContext(ctx, name).Scan(&r.id, &r.tenant, &r.job, &r.workflow, &r.open, &r.booked.Outcome, &r.booked.MicroUSD)
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, nil
	}
	return r, err
}

// end settles an entry by its key.
func (s statements) end(ctx context.Context, key string, said money.Booking, now time.Time) (booked money.Booking, refusal, err error) {
	var r row
	err = s.finish.QueryRowContext(ctx, key, now.UnixMilli(), said.Outcome == money.Answered, string(said.Outcome), said.MicroUSD).
		Scan(&r.tenant, &r.job, &r.workflow)
	if err == nil {
		return said, nil, s.spend(ctx, r, said.MicroUSD)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return said, nil, err
	}
	if r, err = s.find(ctx, s.byKey, key); err != nil {
		return said, nil, err
	}
	return s.again(ctx, r, said, now)
}

// again settles a row that may have been settled before.
func (s statements) again(ctx context.Context, r row, said money.Booking, at time.Time) (now money.Booking, refusal, err error) {
	if r.id == 0 {
		return said, fault.New(fault.Input, "end call", "", "the ledger has no such entry"), nil
	}
	before := r.booked
	if r.open {
		before = money.Booking{}
	}
	now, changed := money.Settle(before, said)
	if !changed {
		return now, nil, nil
	}
	_, err = s.correct.ExecContext(ctx, r.id, at.UnixMilli(), now.Outcome == money.Answered, string(now.Outcome), now.MicroUSD)
	if err != nil {
		return now, nil, err
	}
	return now, nil, s.spend(ctx, r, now.MicroUSD-before.MicroUSD)
}

// spend adds what was settled to what a job and a workflow in it have spent.
func (s statements) spend(ctx context.Context, r row, cost int64) error {
	if cost == 0 {
		return nil
	}
	if _, err := s.settle.ExecContext(ctx, r.tenant, r.job, cost); err != nil {
		return err
	}
	_, err := s.share.ExecContext(ctx, r.tenant, r.job, r.workflow, cost)
	return err
}

// mostMicro limits one entry, so that sums do not overflow in SQLite.
const mostMicro = 1 << 53

// micro converts a sum of SQL to an amount without overflow.
func micro(sum float64) int64 { return int64(min(max(sum, 0), 1<<62)) }

func dollars(micro int64) string {
	return fmt.Sprintf("$%d.%06d", micro/1_000_000, micro%1_000_000)
}

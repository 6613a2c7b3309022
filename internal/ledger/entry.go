package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// statements are those of the writer, prepared once.
type statements struct {
	rival, beat, spent, insert, finish, settle, ended *sql.Stmt
}

func prepare(ctx context.Context, db *sql.DB) (s statements, err error) {
	for _, p := range []struct {
		into  **sql.Stmt
		query string
	}{
		{&s.rival, `SELECT EXISTS (SELECT 1 FROM call c JOIN process p ON p.id = c.process
			WHERE c.tenant=?1 AND c.fingerprint=?2 AND c.process<>?3
			AND (c.ended_ms IS NULL AND p.seen_ms>?4 OR c.answered AND c.ended_ms>?4))`},
		{&s.beat, "INSERT INTO process (id, seen_ms) VALUES (?, ?) ON CONFLICT DO UPDATE SET seen_ms=excluded.seen_ms"},
		{&s.spent, `SELECT coalesce((SELECT settled FROM spend WHERE tenant=?1 AND job=?2), 0),
			coalesce((SELECT sum(cost) FROM call WHERE tenant=?1 AND job=?2 AND ended_ms IS NULL AND begun_ms>?3), 0)`},
		{&s.insert, `INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, cost, process)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.finish, `UPDATE call SET ended_ms=?2, answered=?3, cost=?4 WHERE id=?1 AND ended_ms IS NULL
			RETURNING tenant, job`},
		{&s.settle, `INSERT INTO spend (tenant, job, settled) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET settled=settled+excluded.settled`},
		{&s.ended, "SELECT answered, cost FROM call WHERE id=?"},
	} {
		if *p.into, err = db.PrepareContext(ctx, p.query); err != nil {
			return s, err
		}
	}
	return s, nil
}

// in returns the statements within a transaction.
func (s statements) in(ctx context.Context, tx *sql.Tx) statements {
	return statements{
		rival:  tx.StmtContext(ctx, s.rival),
		beat:   tx.StmtContext(ctx, s.beat),
		spent:  tx.StmtContext(ctx, s.spent),
		insert: tx.StmtContext(ctx, s.insert),
		finish: tx.StmtContext(ctx, s.finish),
		settle: tx.StmtContext(ctx, s.settle),
		ended:  tx.StmtContext(ctx, s.ended),
	}
}

// begin returns a refusal, having written nothing, if another process is at the
// same call or the budget is reached.
func (s statements) begin(
	ctx context.Context, c video.Call, limit int64, process string, now time.Time,
) (id int64, refusal, err error) {
	var rival bool
	err = s.rival.QueryRowContext(ctx, string(c.Tenant), string(c.Fingerprint), process, now.Add(-aliveFor).UnixMilli()).Scan(&rival)
	if err != nil {
		return 0, nil, err
	}
	if rival {
		return 0, &fault.Error{
			Class: fault.Overload, Op: "begin call", Subject: c.Model, RetryAfter: time.Second,
			Reason: "another worker is making or has just made the very same call; waiting for its answer",
		}, nil
	}
	if limit > 0 {
		var settled, reserved int64
		err := s.spent.QueryRowContext(ctx, string(c.Tenant), c.Job, now.Add(-lostAfter).UnixMilli()).
			Scan(&settled, &reserved)
		if err != nil {
			return 0, nil, err
		}
		if spent := settled + reserved; c.CostMicroUSD > limit-spent {
			return 0, fault.New(fault.Budget, "begin call", c.Model, fmt.Sprintf(
				"it may cost %s, job %q has spent %s and reserved %s of its limit of %s; raise the limit to continue",
				dollars(c.CostMicroUSD), c.Job, dollars(settled), dollars(reserved), dollars(limit))), nil
		}
	}
	done, err := s.insert.ExecContext(ctx, string(c.Tenant), c.Job, c.Workflow, c.Kind, c.Model,
		string(c.Fingerprint), now.UnixMilli(), c.CostMicroUSD, process)
	if err != nil {
		return 0, nil, err
	}
	id, err = done.LastInsertId()
	return id, nil, err
}

// end returns a refusal if the call is unknown or was ended otherwise.
func (s statements) end(
	ctx context.Context, id int64, answered bool, cost int64, now time.Time,
) (refusal, err error) {
	var owner, job string
	err = s.finish.QueryRowContext(ctx, id, now.UnixMilli(), answered, cost).Scan(&owner, &job)
	if errors.Is(err, sql.ErrNoRows) {
		return s.endedOtherwise(ctx, id, answered, cost)
	}
	if err != nil || cost == 0 {
		return nil, err
	}
	_, err = s.settle.ExecContext(ctx, owner, job, cost)
	return nil, err
}

func (s statements) endedOtherwise(ctx context.Context, id int64, answered bool, cost int64) (refusal, err error) {
	var before bool
	var paid int64
	name := strconv.FormatInt(id, 10)
	err = s.ended.QueryRowContext(ctx, id).Scan(&before, &paid)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.Input, "end call", name, "the ledger has no such call"), nil
	case err != nil || before == answered && paid == cost:
		return nil, err
	}
	return fault.New(fault.Input, "end call", name, "it was ended before, with another result"), nil
}

func dollars(micro int64) string {
	return fmt.Sprintf("$%d.%06d", micro/1_000_000, micro%1_000_000)
}

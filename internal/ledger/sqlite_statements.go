package ledger

import (
	"context"
	"database/sql"

	"github.com/cogniverse/cogflow/internal/ledger/schema"
)

// statements are those of the writer, prepared once.
type statements struct {
	rival, beat, spent, earlier, insert, take, spend, share, byKey, byRow, correct, gone *sql.Stmt

	anyHard, covering, ofTenant, ofOrg, ofModel, warn *sql.Stmt // of budgets
}

const find = "SELECT id, key, tenant, job, workflow, process, ended_ms IS NULL, " + schema.EndedInFile + ", cost FROM call WHERE "

func (s *statements) all() map[**sql.Stmt]string {
	return map[**sql.Stmt]string{
		&s.rival: `SELECT EXISTS (SELECT 1 FROM call c JOIN process p ON p.id = c.process
			WHERE c.tenant=?1 AND c.fingerprint=?2 AND c.process<>?3
			AND (c.ended_ms IS NULL AND p.seen_ms>?4 OR c.answered AND c.ended_ms>?4))`,
		&s.beat: "INSERT INTO process (id, seen_ms) VALUES (?, ?) ON CONFLICT DO UPDATE SET seen_ms=excluded.seen_ms",
		&s.spent: `SELECT coalesce((SELECT settled FROM spend WHERE tenant=?1 AND job=?2), 0),
			coalesce((SELECT total(cost) FROM call INDEXED BY call_open WHERE tenant=?1 AND job=?2 AND ended_ms IS NULL), 0)`,
		&s.earlier: `SELECT count(*), coalesce(sum(outcome='charged'), 0), coalesce(sum(outcome='lost'), 0) FROM call WHERE tenant=? AND job=? AND fingerprint=?`,
		&s.insert: `INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, cost, process, key, attempt, gpu)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		&s.take: "UPDATE call SET process=?2 WHERE id=?1",
		&s.spend: `INSERT INTO spend (tenant, job, settled) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET settled=min(settled+excluded.settled, 1<<62)`,
		&s.share: `INSERT INTO spend_workflow (tenant, job, workflow, settled) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET settled=min(settled+excluded.settled, 1<<62)`,
		&s.byKey: find + "key=?",
		&s.byRow: find + "id=?",
		&s.gone:  gone,
		&s.correct: `UPDATE call SET ended_ms=?2, answered=?3, outcome=?4, cost=?5, input_tokens=nullif(?6, 0), output_tokens=nullif(?7, 0),
			cached_tokens=nullif(?8, 0), reasoning_tokens=nullif(?9, 0), gpu_ms=nullif(?10, 0) WHERE id=?1`,

		&s.anyHard: anyHard, &s.covering: covering, &s.ofTenant: spentOf(ofTenant), &s.ofOrg: spentOf(ofOrg), &s.ofModel: spentOf(ofModel), &s.warn: addAlert,
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

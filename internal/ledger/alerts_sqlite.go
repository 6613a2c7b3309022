package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cogniverse/cogflow/money"
)

const addAlert = `INSERT INTO alert (id, org, tenant, model, period, soft, amount, name, percent, spent, made_ms, due_ms)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11) ON CONFLICT DO NOTHING`

// alertArgs are the values of an alert but its time.
func alertArgs(a money.Alert) []any {
	return []any{a.ID(), a.Org, a.Tenant, a.Model, string(a.Period), a.Soft, a.MicroUSD, a.Name, a.Percent, a.Spent}
}

func (b sqliteBooks) alert(ctx context.Context, a money.Alert) error {
	_, err := b.in(ctx, b.statements.warn).ExecContext(ctx, append(alertArgs(a), b.now().UnixMilli())...)
	return err
}

func (s *sqlite) checked(ctx context.Context) (c checked, err error) {
	var last sql.NullInt64
	err = s.db.View(ctx, "read budgets", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT max(checked_ms) FROM budget_check").Scan(&last)
	})
	if c.now = s.now(); last.Valid {
		c.last = time.UnixMilli(last.Int64)
	}
	return c, err
}

func (s *sqlite) addAlerts(ctx context.Context, all []money.Alert) error {
	now := s.now()
	return s.db.Update(ctx, "add budget alerts", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM alert WHERE period<>'total' AND made_ms<?2 OR NOT EXISTS (SELECT 1 FROM budget_check);
			INSERT INTO budget_check VALUES (1, ?1) ON CONFLICT DO UPDATE SET checked_ms=excluded.checked_ms`,
			now.UnixMilli(), now.Add(-alertKept).UnixMilli())
		for _, a := range all {
			if err == nil {
				_, err = tx.ExecContext(ctx, addAlert, append(alertArgs(a), now.UnixMilli())...)
			}
		}
		return err
	})
}

func (s *sqlite) takeAlert(ctx context.Context, lease time.Duration) (d Due, found bool, err error) {
	now, made := s.now(), int64(0)
	err = s.db.Update(ctx, "take budget alert", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `UPDATE alert SET due_ms=?2, attempts=attempts+1 WHERE id=(
				SELECT id FROM alert WHERE ended_ms IS NULL AND due_ms<=?1 AND made_ms>=?3 AND EXISTS (SELECT 1 FROM budget_check)
				ORDER BY due_ms LIMIT 1)
			RETURNING org, tenant, model, period, soft, amount, name, percent, spent, made_ms, attempts, told`,
			now.UnixMilli(), now.Add(lease).UnixMilli(), now.Add(-alertFor).UnixMilli()).
			Scan(&d.Org, &d.Tenant, &d.Model, &d.Period, &d.Soft, &d.MicroUSD, &d.Name, &d.Percent, &d.Spent, &made, &d.Attempts, &d.Told)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Due{}, false, nil
	}
	d.At = time.UnixMilli(made)
	return d, err == nil, err
}

func (s *sqlite) putAlert(ctx context.Context, d Due, wait time.Duration, ended bool) error {
	now := s.now()
	return s.db.Update(ctx, "note budget alert", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE alert SET told=?2, due_ms=?3, ended_ms=iif(?4, ?5, ended_ms) WHERE id=?1",
			d.ID(), d.Told, now.Add(wait).UnixMilli(), ended, now.UnixMilli())
		return err
	})
}

package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cogniverse/cogflow/money"
)

const addAlertShared = `INSERT INTO cogflow.alert (id, org, tenant, model, period, soft, amount, name, percent, spent, made_at, due_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp(), clock_timestamp()) ON CONFLICT (id) DO NOTHING`

func (p *page) alert(_ context.Context, a money.Alert) error {
	p.alerts = append(p.alerts, a)
	return nil
}

func (s *shared) checked(ctx context.Context) (c checked, err error) {
	var last *time.Time
	_, err = s.db.Row(ctx, "read budgets", "SELECT clock_timestamp(), max(checked_at) FROM cogflow.budget_check", nil, []any{&c.now, &last})
	if last != nil {
		c.last = *last
	}
	return c, err
}

func (s *shared) addAlerts(ctx context.Context, all []money.Alert) error {
	return s.within(ctx, "add budget alerts", func(ctx context.Context, c *pgx.Conn) error {
		b := &pgx.Batch{}
		b.Queue("DELETE FROM cogflow.alert WHERE period<>'total' AND made_at < clock_timestamp() - $1::interval OR NOT EXISTS (SELECT FROM cogflow.budget_check)", alertKept)
		b.Queue(`INSERT INTO cogflow.budget_check VALUES (true, clock_timestamp()) ON CONFLICT (one) DO UPDATE SET checked_at=excluded.checked_at`)
		for _, a := range all {
			b.Queue(addAlertShared, alertArgs(a)...)
		}
		return c.SendBatch(ctx, b).Close()
	})
}

func (s *shared) takeAlert(ctx context.Context, lease time.Duration) (d Due, found bool, err error) {
	found, err = s.db.Row(ctx, "take budget alert", `UPDATE cogflow.alert SET due_at=clock_timestamp()+$1::interval, attempts=attempts+1 WHERE id=(
			SELECT id FROM cogflow.alert WHERE ended_at IS NULL AND due_at <= clock_timestamp() AND made_at >= clock_timestamp() - $2::interval
				AND EXISTS (SELECT FROM cogflow.budget_check)
			ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING org, tenant, model, period, soft, amount, name, percent, spent, made_at, attempts, told`, []any{lease, alertFor},
		[]any{&d.Org, &d.Tenant, &d.Model, &d.Period, &d.Soft, &d.MicroUSD, &d.Name, &d.Percent, &d.Spent, &d.At, &d.Attempts, &d.Told})
	return d, found, err
}

func (s *shared) putAlert(ctx context.Context, d Due, wait time.Duration, ended bool) error {
	return s.within(ctx, "note budget alert", func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `UPDATE cogflow.alert SET told=$2, due_at=clock_timestamp()+$3::interval,
			ended_at=CASE WHEN $4 THEN clock_timestamp() ELSE ended_at END WHERE id=$1`, d.ID(), d.Told, wait, ended)
		return err
	})
}

// within runs do on a connection of its own.
func (s *shared) within(ctx context.Context, op string, do func(ctx context.Context, c *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeFor)
	defer cancel()
	c, err := s.db.Connect(ctx)
	if err != nil {
		return s.db.Fault(op, err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // it is of no use any more
	return s.db.Fault(op, do(ctx, c))
}

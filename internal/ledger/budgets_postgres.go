package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cogniverse/cogflow/money"
)

// budgetsLock is shared by transactions that reserve. A change of budgets takes it alone, so
// it waits for those that decide by the former budgets, and later ones wait for the change.
func budgetsLock() int64 { return lockOf("budgets") }

// coveringAny is true of a hard budget that covers one of the tenants and models in $1 and $2.
const coveringAny = `NOT b.soft AND EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS q (tenant, model)
	WHERE b.org IN ('', split_part(q.tenant, ':', 1)) AND b.tenant IN ('', q.tenant) AND b.model IN ('', q.model))`

// lockBudgets locks the hard budgets of reservations, in one order and after all other locks.
const lockBudgets = `WITH locks AS MATERIALIZED (SELECT DISTINCT
		hashtextextended(concat_ws(chr(31), 'cogflow budget', b.org, b.tenant, b.model, b.period), 0) AS number
		FROM cogflow.budget b WHERE ` + coveringAny + ` ORDER BY number)
	SELECT count(pg_advisory_xact_lock(number)) FROM locks`

// mostSum limits a sum, as in rules.go.
const mostSum = "4611686018427387904"

// standingsOf selects budgets, with what was settled in their period at a time and what its open
// entries reserve.
func standingsOf(where, at string) string {
	settled := func(by string) string {
		return "(SELECT least(coalesce(sum(s.settled), 0), " + mostSum + ") FROM cogflow.spend_period s WHERE s.period=p.name AND " + by + ")"
	}
	return `SELECT b.org, b.tenant, b.model, b.period, b.soft, b.amount, at.now,
		(CASE WHEN b.tenant<>'' THEN ` + settled("s.tenant=b.tenant AND b.model IN ('', s.model)") + `
			WHEN b.org<>'' THEN ` + settled("s.org=b.org AND b.model IN ('', s.model)") + `
			ELSE ` + settled("s.model=b.model") + ` END)::bigint,
		(SELECT least(coalesce(sum(c.cost), 0), ` + mostSum + `) FROM cogflow.call c WHERE c.ended_at IS NULL
			AND c.begun_at >= p.start AND c.begun_at < p.until
			AND b.org IN ('', split_part(c.tenant, ':', 1)) AND b.tenant IN ('', c.tenant) AND b.model IN ('', c.model))::bigint
	FROM (SELECT ` + at + ` AS now) AS at, cogflow.budget b
	JOIN LATERAL (VALUES
		('day', to_char(at.now AT TIME ZONE 'UTC', 'YYYY-MM-DD'), date_trunc('day', at.now, 'UTC'), date_trunc('day', at.now, 'UTC') + interval '24 hours'),
		('month', to_char(at.now AT TIME ZONE 'UTC', 'YYYY-MM'), date_trunc('month', at.now, 'UTC'),
			(date_trunc('month', at.now AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'),
		('total', 'total', '-infinity', 'infinity')) AS p (period, name, start, until) ON p.period=b.period
	WHERE ` + where
}

// takeStanding adds one row of standingsOf.
func takeStanding(row pgx.CollectableRow, all *[]*money.Standing) error {
	s := &money.Standing{}
	*all = append(*all, s)
	return row.Scan(&s.Org, &s.Tenant, &s.Model, &s.Period, &s.Soft, &s.MicroUSD, &s.At, &s.Settled, &s.Reserved)
}

// budgetedOf are the distinct tenants and models of reservations that budgets decide about.
func budgetedOf(w wanted) (tenants, models []string) {
	seen := map[string]bool{}
	for _, r := range w.reserve {
		if at := place(string(r.Tenant), r.Model); r.budgeted() && !seen[at] {
			seen[at] = true
			tenants, models = append(tenants, string(r.Tenant)), append(models, r.Model)
		}
	}
	return tenants, models
}

// readBudgets reads the budgets of all reservations. The entries of this transaction begin at
// the same time, so they are in the period that was checked.
func (p *page) readBudgets(b *pgx.Batch, tenants, models []string) {
	b.Queue(standingsOf(coveringAny, "clock_timestamp()"), tenants, models).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := takeStanding(rows, &p.budgets); err != nil {
				return err
			}
			p.now = p.budgets[0].At
		}
		return rows.Err()
	})
}

func (p *page) standings(_ context.Context, r request) (all []money.Standing, err error) {
	for _, s := range p.budgets {
		if s.Covers(string(r.Tenant), r.Model) {
			all = append(all, *s)
		}
	}
	return all, nil
}

// spendBudgets adds to the budgets that cover an entry, if it began in their current period.
func (p *page) spendBudgets(r row, settled, reserved int64) {
	for _, s := range p.budgets {
		if s.Covers(r.tenant, r.model) && s.Period.Name(r.begun) == s.Period.Name(s.At) {
			s.Settled, s.Reserved = min(s.Settled+settled, 1<<62), min(s.Reserved+reserved, 1<<62)
		}
	}
}

func (s *shared) budgets(ctx context.Context) ([]money.Standing, error) {
	return s.listBudgets(ctx, standingsOf("true", "clock_timestamp()"))
}

func (s *shared) budgetsAt(ctx context.Context, at time.Time) ([]money.Standing, error) {
	return s.listBudgets(ctx, standingsOf("true", "$1::timestamptz"), at)
}

func (s *shared) listBudgets(ctx context.Context, query string, args ...any) (out []money.Standing, err error) {
	var all []*money.Standing
	err = s.db.Rows(ctx, "read budgets", query, args, func(row pgx.CollectableRow) error { return takeStanding(row, &all) })
	for _, one := range all {
		out = append(out, *one)
	}
	return out, err
}

func (s *shared) setBudget(ctx context.Context, b money.Budget) error {
	_, err := s.changeBudgets(ctx, "set budget", `INSERT INTO cogflow.budget (org, tenant, model, period, soft, amount) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (org, tenant, model, period, soft) DO UPDATE SET amount=excluded.amount`,
		b.Org, b.Tenant, b.Model, string(b.Period), b.Soft, b.MicroUSD)
	return err
}

func (s *shared) clearBudget(ctx context.Context, b money.Budget) (found bool, err error) {
	n, err := s.changeBudgets(ctx, "clear budget", "DELETE FROM cogflow.budget WHERE org=$1 AND tenant=$2 AND model=$3 AND period=$4 AND soft=$5",
		b.Org, b.Tenant, b.Model, string(b.Period), b.Soft)
	return n > 0, err
}

func (s *shared) changeBudgets(ctx context.Context, op, query string, args ...any) (changed int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeFor)
	defer cancel()
	c, err := s.db.Connect(ctx)
	if err != nil {
		return 0, s.db.Fault(op, err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // it is of no use any more
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", budgetsLock()); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, query, args...)
		changed = done.RowsAffected()
		return err
	})
	return changed, s.db.Fault(op, err)
}

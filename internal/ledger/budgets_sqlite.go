package ledger

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/cogniverse/cogflow/money"
)

const budgetColumns = "SELECT org, tenant, model, period, soft, amount FROM budget"

// covering selects the hard budgets of a call.
const covering = budgetColumns + " WHERE NOT soft AND org IN ('', ?1) AND tenant IN ('', ?2) AND model IN ('', ?3)"

// anyHard reports whether there is a hard budget at all. Without one, which is usual, covering need not be
// asked.
const anyHard = "SELECT EXISTS (SELECT 1 FROM budget WHERE NOT soft)"

// spentOf selects what was settled in a period and what open entries of it reserve. where finds
// the sums of a scope by an index; ?2 to ?4 are its organisation, tenant and model.
func spentOf(where string) string {
	return `SELECT (SELECT total(settled) FROM spend_period WHERE period=?1 AND ` + where + `),
		(SELECT total(cost) FROM call INDEXED BY call_reserved WHERE ended_ms IS NULL AND begun_ms>=?5 AND begun_ms<?6
			AND (?2='' OR substr(tenant, 1, instr(tenant || ':', ':') - 1)=?2) AND (?3='' OR tenant=?3) AND (?4='' OR model=?4))`
}

const (
	ofTenant = "tenant=?3 AND (?4='' OR model=?4)"
	ofOrg    = "org=?2 AND (?4='' OR model=?4)"
	ofModel  = "model=?4"
)

// shape is the condition for a scope.
func shape(s money.Scope) string {
	switch {
	case s.Tenant != "":
		return ofTenant
	case s.Org != "":
		return ofOrg
	default:
		return ofModel
	}
}

func readBudgets(rows *sql.Rows, err error) (all []money.Budget, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b money.Budget
		if err := rows.Scan(&b.Org, &b.Tenant, &b.Model, &b.Period, &b.Soft, &b.MicroUSD); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, rows.Err()
}

// standing reads what has been spent of a budget in its period.
func standing(b money.Budget, at time.Time, read func(args ...any) *sql.Row) (money.Standing, error) {
	from, until := int64(math.MinInt64), int64(math.MaxInt64)
	if start, end := b.Period.Bounds(at); !end.IsZero() {
		from, until = start.UnixMilli(), end.UnixMilli()
	}
	var settled, reserved float64 // a sum of integers may overflow in SQL
	err := read(b.Period.Name(at), b.Org, b.Tenant, b.Model, from, until).Scan(&settled, &reserved)
	return money.Standing{Budget: b, Settled: micro(settled), Reserved: micro(reserved), At: at}, err
}

func (b sqliteBooks) standings(ctx context.Context, r request) (all []money.Standing, err error) {
	var hard bool
	if err := b.in(ctx, b.statements.anyHard).QueryRowContext(ctx).Scan(&hard); err != nil || !hard {
		return nil, err
	}
	of := string(r.Tenant)
	found, err := readBudgets(b.in(ctx, b.statements.covering).QueryContext(ctx, money.OrgOf(of), of, r.Model))
	if err != nil {
		return nil, err
	}
	at := b.now()
	for _, budget := range found {
		by := b.in(ctx, map[string]*sql.Stmt{ofTenant: b.statements.ofTenant, ofOrg: b.statements.ofOrg, ofModel: b.statements.ofModel}[shape(budget.Scope)])
		s, err := standing(budget, at, func(args ...any) *sql.Row { return by.QueryRowContext(ctx, args...) })
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (s *sqlite) budgets(ctx context.Context) ([]money.Standing, error) {
	return s.budgetsAt(ctx, s.now())
}

func (s *sqlite) budgetsAt(ctx context.Context, at time.Time) (all []money.Standing, err error) {
	err = s.db.View(ctx, "read budgets", func(tx *sql.Tx) error {
		found, err := readBudgets(tx.QueryContext(ctx, budgetColumns))
		if err != nil {
			return err
		}
		for _, b := range found {
			one, err := standing(b, at, func(args ...any) *sql.Row { return tx.QueryRowContext(ctx, spentOf(shape(b.Scope)), args...) })
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return nil
	})
	return all, err
}

func (s *sqlite) setBudget(ctx context.Context, b money.Budget) error {
	return s.db.Update(ctx, "set budget", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO budget (org, tenant, model, period, soft, amount) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET amount=excluded.amount`, b.Org, b.Tenant, b.Model, string(b.Period), b.Soft, b.MicroUSD)
		return err
	})
}

func (s *sqlite) clearBudget(ctx context.Context, b money.Budget) (found bool, err error) {
	err = s.db.Update(ctx, "clear budget", func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "DELETE FROM budget WHERE org=? AND tenant=? AND model=? AND period=? AND soft=?",
			b.Org, b.Tenant, b.Model, string(b.Period), b.Soft)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		found = n > 0
		return err
	})
	return found, err
}

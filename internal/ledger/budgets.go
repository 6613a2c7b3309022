package ledger

import (
	"context"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

// Budgets lists all budgets with what has been spent of each in its current period.
func (l *Ledger) Budgets(ctx context.Context) ([]money.Standing, error) {
	if err := l.Sweep(ctx); err != nil {
		return nil, err
	}
	all, err := l.db.budgets(ctx)
	slices.SortFunc(all, func(a, b money.Standing) int { return a.Compare(b.Budget) })
	return all, err
}

// SetBudget sets a budget. It replaces one that differs only in its amount. The next
// reservation of every process sees it, and what was spent before counts.
func (l *Ledger) SetBudget(ctx context.Context, b money.Budget) error {
	if err := checkBudget("set budget", b); err != nil {
		return err
	}
	return l.db.setBudget(ctx, b)
}

// ClearBudget removes a budget, whatever its amount is; found is false if there is none.
func (l *Ledger) ClearBudget(ctx context.Context, b money.Budget) (found bool, err error) {
	if err := checkBudget("clear budget", b); err != nil {
		return false, err
	}
	return l.db.clearBudget(ctx, b)
}

func checkBudget(op string, b money.Budget) error {
	if err := b.Check(); err != nil {
		return fault.Wrap(fault.Input, op, b.String(), err)
	}
	for _, text := range []string{b.Org, b.Tenant, b.Model} {
		if !storable(text) {
			return fault.New(fault.Input, op, "", "its names must be valid UTF-8 without NUL characters")
		}
	}
	return nil
}

// budgeted reports whether budgets decide about the call.
func (r request) budgeted() bool { return !r.Owed && (r.CostMicroUSD > 0 || r.Unpriced) }

// allowed applies the rule of the budgets that jobs share.
func allowed(ctx context.Context, b books, r request) (refusal, err error) {
	if !r.budgeted() {
		return nil, nil
	}
	all, err := b.standings(ctx, r)
	if err != nil {
		return nil, err
	}
	verdict, by := money.Afford(r.CostMicroUSD, r.Unpriced, all)
	cause := money.NewBlocked(by, verdict, r.CostMicroUSD, r.Unpriced)
	switch verdict {
	case money.Exceeded:
		if !r.Unpriced {
			if err := b.alert(ctx, by.Refused()); err != nil {
				return nil, err
			}
		}
		return &fault.Error{Class: fault.Budget, Op: "begin call", Subject: r.subject(), Err: cause}, nil
	case money.Wait:
		return noRoom(r, "", cause), nil
	default:
		return nil, nil
	}
}

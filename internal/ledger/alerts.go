package ledger

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/money"
)

// Alerts are rows, so that each is told once, whichever process finds it, and none is lost with
// a process. A call that a hard budget refuses makes one in its own transaction. Thresholds are
// compared from time to time, by CheckBudgets.

const (
	// checkNoted is how old the time of the last check may get before it is written again.
	checkNoted = time.Minute
	// alertFor is how long delivery is tried.
	alertFor = 7 * 24 * time.Hour
	// alertKept is longer than any period that ends: then the threshold cannot be passed again.
	alertKept = 70 * 24 * time.Hour
)

// checked is when budgets were checked last, and now. last is zero before the first check.
type checked struct{ last, now time.Time }

// Due is an alert that this process has to tell.
type Due struct {
	money.Alert
	Attempts int    // including this one
	Told     string // receivers that have it, separated by spaces
}

// CheckBudgets makes an alert for each threshold, in percent, that a budget has passed, also in
// the period of the last check, and returns all budgets. The first check forgets the calls that
// were refused before it: nobody was to be told.
func (l *Ledger) CheckBudgets(ctx context.Context, thresholds []int) ([]money.Standing, error) {
	all, err := l.Budgets(ctx)
	if err != nil {
		return nil, err
	}
	was, err := l.db.checked(ctx)
	if err != nil {
		return nil, err
	}
	var passed []money.Alert
	for _, s := range all {
		passed = append(passed, s.Passed(thresholds)...)
	}
	if !was.last.IsZero() && money.Day.Name(was.last) != money.Day.Name(was.now) {
		former, err := l.db.budgetsAt(ctx, was.last)
		if err != nil {
			return nil, err
		}
		for _, s := range former {
			passed = append(passed, s.Passed(thresholds)...)
		}
	}
	var fresh []money.Alert
	for _, a := range passed {
		if _, known := l.passed.Load(a.ID()); !known {
			fresh = append(fresh, a)
		}
	}
	if len(fresh) == 0 && was.now.Sub(was.last).Abs() < checkNoted {
		return all, nil
	}
	if err := l.db.addAlerts(ctx, fresh); err != nil {
		return nil, err
	}
	for _, a := range fresh {
		l.passed.Store(a.ID(), nil)
	}
	return all, nil
}

// TakeAlert takes the alert that has been due for longest, for the time of a lease. If it is
// neither told nor put off by then, it is due again. found is false if there is none.
func (l *Ledger) TakeAlert(ctx context.Context, lease time.Duration) (d Due, found bool, err error) {
	return l.db.takeAlert(ctx, lease)
}

// PutOffAlert records which receivers have an alert, and when to try the others.
func (l *Ledger) PutOffAlert(ctx context.Context, d Due, wait time.Duration) error {
	return l.db.putAlert(ctx, d, wait, false)
}

// EndAlert records that an alert needs no further attempt.
func (l *Ledger) EndAlert(ctx context.Context, d Due) error { return l.db.putAlert(ctx, d, 0, true) }

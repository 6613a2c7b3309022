package ledger

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/money"
)

// Alerts are rows, so that each is told once, whichever process finds it, and none is lost with
// a process. A call that a hard budget refuses makes one in its own transaction. Thresholds are
// compared from time to time, by CheckBudgets.

const alertsInFile = `
CREATE TABLE alert (
	id       TEXT PRIMARY KEY, -- see money.Alert
	org      TEXT NOT NULL,
	tenant   TEXT NOT NULL,
	model    TEXT NOT NULL,
	period   TEXT NOT NULL,
	soft     INTEGER NOT NULL,
	amount   INTEGER NOT NULL, -- micro-USD
	name     TEXT NOT NULL,    -- of the period
	percent  INTEGER NOT NULL,
	spent    INTEGER NOT NULL, -- micro-USD
	made_ms  INTEGER NOT NULL, -- Unix time
	due_ms   INTEGER NOT NULL, -- of the next attempt
	attempts INTEGER NOT NULL DEFAULT 0,
	told     TEXT NOT NULL DEFAULT '', -- receivers that have it, separated by spaces
	ended_ms INTEGER           -- NULL: a receiver lacks it
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_due ON alert (due_ms) WHERE ended_ms IS NULL;
CREATE TABLE budget_check (
	one        INTEGER PRIMARY KEY CHECK (one=1),
	checked_ms INTEGER NOT NULL -- no row: nobody is told of alerts
) STRICT;
`

const alertsShared = `
CREATE TABLE cogflow.alert (
	id       text PRIMARY KEY, -- see money.Alert
	org      text NOT NULL,
	tenant   text NOT NULL,
	model    text NOT NULL,
	period   text NOT NULL,
	soft     boolean NOT NULL,
	amount   bigint NOT NULL, -- micro-USD
	name     text NOT NULL,   -- of the period
	percent  integer NOT NULL,
	spent    bigint NOT NULL, -- micro-USD
	made_at  timestamptz NOT NULL,
	due_at   timestamptz NOT NULL, -- of the next attempt
	attempts integer NOT NULL DEFAULT 0,
	told     text NOT NULL DEFAULT '', -- receivers that have it, separated by spaces
	ended_at timestamptz -- NULL: a receiver lacks it
);
CREATE INDEX alert_due ON cogflow.alert (due_at) WHERE ended_at IS NULL;
CREATE TABLE cogflow.budget_check (
	one        boolean PRIMARY KEY CHECK (one),
	checked_at timestamptz NOT NULL -- no row: nobody is told of alerts
);
`

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

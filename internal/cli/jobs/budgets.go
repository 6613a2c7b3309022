package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
)

// budgetAlert is a budget that is nearly or wholly spent.
type budgetAlert struct {
	money.Budget
	State    string `json:"state"` // "80 %" or "reached"
	Spent    int64  `json:"spent_micro_usd"`
	Reserved int64  `json:"reserved_micro_usd"` // by calls in flight
	text     string
}

// budgetAlerts lists the budgets that people should look at: hard ones from 80 % on, soft ones
// that are crossed. A ledger in a file of another host cannot be read, so there are none.
func (a app) budgetAlerts(ctx context.Context) (alerts []budgetAlert, err error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	l, err := ledger.OpenExisting(cfg.Ledger)
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return nil, nil
	case err != nil:
		return nil, err
	}
	all, err := l.Budgets(ctx)
	for _, s := range all {
		state := s.State()
		if state == money.StateReached || state == money.StateNear && !s.Soft {
			alerts = append(alerts, budgetAlert{Budget: s.Budget, State: state, Spent: s.Settled, Reserved: s.Reserved, text: alertText(s)})
		}
	}
	return alerts, errors.Join(err, l.Close())
}

// alertText is one line about a budget.
func alertText(s money.Standing) string {
	kind, per := "Budget", "a "+string(s.Period)
	if s.Soft {
		kind = "Soft budget"
	}
	if s.Period == money.Total {
		per = "in total"
	}
	text := fmt.Sprintf("%s of %s (%s %s): %s spent, %s reserved, %s left", kind, s.Scope, money.Dollars(s.MicroUSD), per,
		money.Dollars(s.Settled), money.Dollars(s.Reserved), money.Dollars(s.Left()))
	if end := s.End(); !end.IsZero() {
		text += " until " + end.Format("2006-01-02 15:04") + " UTC"
	}
	if s.State() == money.StateReached && !s.Soft {
		text += "; calls that cost money wait. Raise it: " + s.Command("USD")
	}
	return text
}

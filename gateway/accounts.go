package main

import (
	"context"

	"github.com/cogniverse/cogflow/internal/cli/budget"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/accounts"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/money"
)

// openAccounts makes the routes of money.
func openAccounts(c config.Config, l *ledger.Ledger, workers *asker) *accounts.API {
	return &accounts.API{
		Ledger: l,
		Costs:  func(ctx context.Context) (accounts.Costs, error) { return costs.Open(ctx, c.Ledger) },
		Tell: func(ctx context.Context, s money.Scope) (int, error) {
			temporal, err := workers.connect(ctx)
			if err != nil {
				return 0, err
			}
			return budget.Tell(ctx, temporal, s)
		},
	}
}

package main

import (
	"context"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli/budget"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/accounts"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/money"
)

// openAccounts makes the routes of money.
func openAccounts(c config.Config, l *ledger.Ledger, temporal client.Client) *accounts.API {
	return &accounts.API{
		Ledger: l,
		Costs:  func(ctx context.Context) (accounts.Costs, error) { return costs.Open(ctx, c.Ledger) },
		Tell: func(ctx context.Context, s money.Scope) (int, error) {
			ctx, stop := context.WithTimeout(ctx, answerIn)
			defer stop()
			told, err := budget.Tell(ctx, temporal, s)
			if err != nil {
				err = serverError(ctx, err)
			}
			return told, err
		},
	}
}

// Package budget is the part of the command line that lists, sets and clears the budgets of
// organisations, tenants and models. It works on the ledger that the configuration names. The
// rules are in package money; this package decides nothing about a call.
package budget

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	cmd := &cobra.Command{
		Use:   "budget",
		Short: "Limit what organisations, tenants and models may spend",
		Long: `A budget limits what an organisation, a tenant or a model, or one of them with a model, may spend in
a day, a month or in all. Days and months are those of UTC. A call must fit all budgets that cover it
and the limit of its job. The tenants "org" and "org:…" belong to the organisation "org".

A job at a hard budget waits, and continues when the budget is raised or cleared or its period ends.
A soft budget stops nothing. Calls that cost nothing are never blocked; a model without a price is
blocked by any hard budget.

The commands read and write the ledger that the configuration names (COGFLOW_LEDGER). For a ledger in
a file, run them on the host of the workers.`,
	}
	cmd.AddCommand(f.listCommand(), f.setCommand(), f.clearCommand())
	return cli.Feature{Commands: []*cobra.Command{cmd}}
}

// scopeFlags adds the flags that say which budget is meant.
func scopeFlags(cmd *cobra.Command, s *money.Scope) {
	cmd.Flags().StringVar(&s.Org, "org", "", "organisation: all its tenants together")
	cmd.Flags().StringVar(&s.Tenant, "tenant", "", `tenant, "acme" or "org:tenant"`)
	cmd.Flags().StringVar(&s.Model, "model", "", "model, as the ledger names it")
}

// budgetFlags adds the flags that name one budget.
func budgetFlags(cmd *cobra.Command, b *money.Budget) {
	scopeFlags(cmd, &b.Scope)
	cmd.Flags().StringVar((*string)(&b.Period), "period", string(money.Month), "day, month or total; days and months are those of UTC")
	cmd.Flags().BoolVar(&b.Soft, "soft", false, "a budget that stops nothing")
	var names []string
	for _, p := range money.Periods() {
		names = append(names, string(p))
	}
	cli.OfferWords(cmd, "period", names...)
}

// check turns a mistake in the flags into a usage error.
func check(b money.Budget) error {
	for _, owner := range []string{b.Org, b.Tenant} {
		if owner == "" {
			continue
		}
		if _, err := tenant.Parse(owner); err != nil {
			return cli.Usage("%v", err)
		}
	}
	if (b.Scope == money.Scope{}) {
		return cli.Usage("--org, --tenant or --model is required")
	}
	if err := b.Check(); err != nil {
		return cli.Usage("%v", err)
	}
	return nil
}

// open opens the ledger of the configuration. It creates none: workers would not read one in
// the wrong place.
func (a app) open() (*ledger.Ledger, error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	return ledger.OpenExisting(cfg.Ledger)
}

// with runs do on the ledger and closes it.
func (a app) with(ctx context.Context, do func(ctx context.Context, l *ledger.Ledger) error) error {
	l, err := a.open()
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, l), l.Close())
}

// nameOf names a budget without its amount: "hard budget of tenant acme".
func nameOf(b money.Budget) string { return b.Kind() + " budget of " + b.String() }

// per is the period of an amount: "a month", "in total".
func per(p money.Period) string {
	if p == money.Total {
		return "in total"
	}
	return "a " + string(p)
}

package budget

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
)

type reports struct {
	Budgets []money.BudgetReport `json:"budgets"`
}

func (a app) listCommand() *cobra.Command {
	var only money.Scope
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List budgets, what is spent of them and what is left",
		Long: `List shows every budget with what was spent in its current period, what calls in flight reserve, what
is left, and when the period ends. An entry of the ledger belongs to the period in which it was reserved.`,
		Example: "  cogflow budget list\n  cogflow budget list --tenant acme --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(ctx context.Context, l *ledger.Ledger) error {
				all, err := l.Budgets(ctx)
				if err != nil {
					return err
				}
				return a.list(all, only)
			})
		},
	}
	scopeFlags(cmd, &only)
	return cmd
}

func (a app) list(all []money.Standing, only money.Scope) error {
	out := reports{Budgets: []money.BudgetReport{}}
	rows := [][]string{}
	for _, s := range all {
		if only.Org != "" && only.Org != s.Org || only.Tenant != "" && only.Tenant != s.Tenant || only.Model != "" && only.Model != s.Model {
			continue
		}
		out.Budgets = append(out.Budgets, s.Report())
		rows = append(rows, []string{
			s.String(), string(s.Period), s.Kind(), money.Dollars(s.MicroUSD), money.Dollars(s.Settled), money.Dollars(s.Reserved),
			money.Dollars(s.Left()), s.State(), format.OrDash(ends(s)),
		})
	}
	if a.JSON {
		return a.PrintJSON(out)
	}
	if len(rows) == 0 {
		a.Say("No budgets. `cogflow budget set --help` shows how to set one.")
		return nil
	}
	a.Table([]cli.Column{
		{Name: "budget of", Flex: true},
		{Name: "period"},
		{Name: "kind"},
		{Name: "limit", Right: true},
		{Name: "spent", Right: true},
		{Name: "reserved", Right: true},
		{Name: "left", Right: true},
		{Name: "state"},
		{Name: "ends (UTC)"},
	}, rows)
	return nil
}

// ends is when the period of a budget ends; empty = never.
func ends(s money.Standing) string {
	end := s.End()
	if end.IsZero() {
		return ""
	}
	return end.Format("2006-01-02 15:04")
}

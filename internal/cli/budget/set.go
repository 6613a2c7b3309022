package budget

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
)

// changed is the JSON output of set and clear.
type changed struct {
	Done   string              `json:"done"` // set or clear
	Budget *money.BudgetReport `json:"budget,omitempty"`
	Told   int                 `json:"told"`            // waiting runs that try again now
	Error  string              `json:"error,omitempty"` // why waiting runs could not be told
}

func (a app) setCommand() *cobra.Command {
	var b money.Budget
	cmd := &cobra.Command{
		Use:   "set USD",
		Short: "Set a budget, or change its amount",
		Long: `Set limits what a scope may spend in a period: USD is the amount, and 0 means that nothing may be
spent. It replaces a budget of the same scope, period and kind. What was spent before in the period counts.

Workers see the change at their next call. Jobs that wait for the budget are told to try again.`,
		Example: `  cogflow budget set 50 --tenant acme
  cogflow budget set 500 --org uni --period total
  cogflow budget set 5 --tenant uni:vision --model gpt-5 --period day
  cogflow budget set 400 --org uni --period total --soft`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if b.MicroUSD, err = amount(args[0]); err != nil {
				return err
			}
			if err := check(b); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, l *ledger.Ledger) error { return a.set(ctx, l, b) })
		},
	}
	budgetFlags(cmd, &b)
	return cmd
}

// amount reads an amount of USD as micro-USD. A positive one is at least 1.
func amount(text string) (int64, error) {
	usd, err := strconv.ParseFloat(text, 64)
	if err != nil || !(usd >= 0) || money.CheckLimit(usd) != nil {
		return 0, cli.Usage("the amount must be USD from 0 to 9000000000000, not %q", text)
	}
	if usd == 0 {
		return 0, nil
	}
	return max(1, int64(math.Round(usd*1e6))), nil
}

func (a app) set(ctx context.Context, l *ledger.Ledger, b money.Budget) error {
	if err := l.SetBudget(ctx, b); err != nil {
		return err
	}
	all, err := l.Budgets(ctx)
	if err != nil {
		return err
	}
	out := changed{Done: "set"}
	for _, s := range all {
		if s.Same(b) {
			r := s.Report()
			out.Budget = &r
			if !a.JSON {
				a.Say("%s", setText(s))
			}
		}
	}
	return a.tell(ctx, b, out)
}

func setText(s money.Standing) string {
	text := fmt.Sprintf("Set the %s to %s %s: %s spent, %s reserved, %s left", nameOf(s.Budget), money.Dollars(s.MicroUSD), per(s.Period),
		money.Dollars(s.Settled), money.Dollars(s.Reserved), money.Dollars(s.Left()))
	if end := ends(s); end != "" {
		text += " until " + end + " UTC"
	}
	return text + "."
}

func (a app) clearCommand() *cobra.Command {
	var b money.Budget
	cmd := &cobra.Command{
		Use:   "clear",
		Short: "Remove a budget",
		Long: `Clear removes the budget of a scope, period and kind. Other budgets and the limits of jobs stay. Jobs
that wait for it are told to try again.`,
		Example: "  cogflow budget clear --tenant acme\n  cogflow budget clear --org uni --period total --soft",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := check(b); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, l *ledger.Ledger) error {
				found, err := l.ClearBudget(ctx, b)
				if err != nil {
					return err
				}
				if !found {
					return fault.New(fault.Input, "clear budget", b.String(),
						"there is no "+b.Kind()+" budget with the period "+string(b.Period)+"; `cogflow budget list` shows all")
				}
				if !a.JSON {
					a.Say("Cleared the %s, period %s.", nameOf(b), b.Period)
				}
				return a.tell(ctx, b, changed{Done: "clear"})
			})
		},
	}
	budgetFlags(cmd, &b)
	return cmd
}

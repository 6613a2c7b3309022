package budget

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
)

// report is a budget as `list --json` prints it.
type report struct {
	money.Scope
	Period      money.Period `json:"period"`
	Kind        string       `json:"kind"` // hard or soft
	LimitUSD    float64      `json:"limit_usd"`
	SpentUSD    float64      `json:"spent_usd"`    // settled in this period
	ReservedUSD float64      `json:"reserved_usd"` // by calls in flight
	LeftUSD     float64      `json:"left_usd"`
	State       string       `json:"state"`                // ok, 80 % or reached
	Ends        *time.Time   `json:"period_end,omitempty"` // none for a total
}

type reports struct {
	Budgets []report `json:"budgets"`
}

func usd(micro int64) float64 { return float64(micro) / 1e6 }

func reportOf(s money.Standing) report {
	r := report{
		Scope: s.Scope, Period: s.Period, Kind: kindOf(s.Budget), LimitUSD: usd(s.MicroUSD), SpentUSD: usd(s.Settled),
		ReservedUSD: usd(s.Reserved), LeftUSD: usd(s.Left()), State: s.State(),
	}
	if end := s.End(); !end.IsZero() {
		r.Ends = &end
	}
	return r
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
	out := reports{Budgets: []report{}}
	rows := [][]string{}
	for _, s := range all {
		if only.Org != "" && only.Org != s.Org || only.Tenant != "" && only.Tenant != s.Tenant || only.Model != "" && only.Model != s.Model {
			continue
		}
		out.Budgets = append(out.Budgets, reportOf(s))
		rows = append(rows, []string{
			s.String(), string(s.Period), kindOf(s.Budget), money.Dollars(s.MicroUSD), money.Dollars(s.Settled), money.Dollars(s.Reserved),
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

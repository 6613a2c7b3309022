// Package prices is the part of the command line that shows which prices apply: those of the
// configuration, and the dated price lists. It reads the configuration only.
package prices

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/config/pricebook"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{Commands: []*cobra.Command{f.command()}}
}

// answer is the output of --json.
type answer struct {
	Models []model        `json:"models"`
	GPUs   []gpu          `json:"gpus"`
	Book   pricebook.Book `json:"book"`
	// GPUBook is the origin of the listed prices of GPUs.
	GPUBook origin `json:"gpu_book"`
}

type origin struct {
	Date   string `json:"date"`
	Source string `json:"source"`
}

func (a app) command() *cobra.Command {
	var book bool
	cmd := &cobra.Command{
		Use:   "prices",
		Short: "Show which prices apply, and which are unknown",
		Long: `Prices shows the price of each model and GPU class, and where it comes from: the configuration, or a
list of vendors' prices of a date. A price that neither has is unknown.

What has no known price is refused under a hard limit or budget, before anything is spent. Without
one it is used and booked at 0, so "cogflow costs" shows less than the provider bills.`,
		Example: "  cogflow prices\n  cogflow prices --book\n  cogflow prices --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.Config()
			if err != nil {
				return err
			}
			out := answer{Models: models(c), Book: pricebook.All()}
			if out.GPUs, out.GPUBook, err = gpus(c); err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(out)
			}
			a.print(out, book)
			return nil
		},
	}
	cmd.Flags().BoolVar(&book, "book", false, "also show the list of vendors' prices")
	return cmd
}

func (a app) print(out answer, book bool) {
	rows := make([][]string, len(out.Models))
	var unknown []string
	for i, m := range out.Models {
		rows[i] = []string{m.Model, amount(m.Input), amount(m.Output), amount(m.Call), m.from(), format.OrDash(strings.Join(m.For, ", "))}
		if m.Source == sourceUnknown {
			unknown = append(unknown, m.Model)
		}
	}
	a.Table([]cli.Column{
		{Name: "model"},
		{Name: "USD/M input tokens", Right: true},
		{Name: "USD/M output tokens", Right: true},
		{Name: "USD/call", Right: true},
		{Name: "price from"},
		{Name: "used for", Flex: true},
	}, rows)
	a.Say("")
	rows = nil
	for _, g := range out.GPUs {
		rows = append(rows, []string{g.Class, amount(g.Hour), g.from()})
		if g.Source == sourceUnknown {
			unknown = append(unknown, g.Class)
		}
	}
	a.Table([]cli.Column{{Name: "GPU class"}, {Name: "USD/hour", Right: true}, {Name: "price from"}}, rows)
	if book {
		a.printBook(out.Book)
	}
	if len(unknown) > 0 {
		a.Say("")
		a.Say("No known price: %s. Under a hard limit or budget they are refused before anything is spent;\nwithout one they are used and booked at 0. docs/how-to/costs.md says how to set prices.", strings.Join(unknown, ", "))
	}
}

func (a app) printBook(b pricebook.Book) {
	a.Say("")
	var rows [][]string
	for _, p := range b.Prices {
		rows = append(rows, []string{p.Host, p.Model, amount(&p.Input), amount(&p.Output)})
	}
	a.Table([]cli.Column{{Name: "host"}, {Name: "model"}, {Name: "USD/M input tokens", Right: true}, {Name: "USD/M output tokens", Right: true}}, rows)
	a.Say("Prices of %s; source: %s", b.Date, b.Source)
}

// amount formats a price; "-" = there is none.
func amount(usd *float64) string {
	if usd == nil {
		return "-"
	}
	return strconv.FormatFloat(*usd, 'f', -1, 64)
}

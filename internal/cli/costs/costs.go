// Package costs is the part of the command line that shows what was spent. It asks the
// ledger only, without the Temporal server, and changes no entry.
package costs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{Commands: []*cobra.Command{f.command()}}
}

// options are the flags.
type options struct {
	by           []string
	since, until string
	tenant       string
	limit        int
	csv          bool
	html         string
}

func (a app) command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "costs",
		Short: "Show what was spent",
		Long: `Costs sums up the entries of the ledger: calls of models and GPU time. It reads the ledger that the
configuration names, also while workers write to it.

An entry belongs to the time at which its call began. Days are in UTC, by the clock of the ledger.
Settled is what ended calls cost, failed ones included. Reserved is the maximum of calls in flight.
Repeated calls were billed although an earlier call for the same answer was billed. Stored answers
are free and are not counted.`,
		Example: "  cogflow costs\n  cogflow costs --by tenant --by day --since 7d\n  cogflow costs --by job --tenant acme --since all --csv\n  cogflow costs --html costs.html",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := o.query()
			if err != nil {
				return err
			}
			if a.JSON && o.csv {
				return cli.Usage("--json and --csv exclude each other")
			}
			return a.run(cmd.Context(), o, q)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.by, "by", []string{"kind", "model"}, "sum up by "+strings.Join(dimensions(), ", ")+"; repeat for several")
	f.StringVar(&o.since, "since", "30d", "calls that began at or after this time: an age such as 30d or 12h, a day such as 2026-11-01, RFC 3339, or all")
	f.StringVar(&o.until, "until", "", "calls that began before this time")
	f.StringVar(&o.tenant, "tenant", "", "only this tenant (default: all)")
	f.IntVar(&o.limit, "limit", 0, "maximum number of rows, most expensive first (default 50; with --json and --csv: all)")
	f.BoolVar(&o.csv, "csv", false, "print comma-separated values")
	f.StringVar(&o.html, "html", "", "also write a page with plots to this `file`")
	cli.OfferWords(cmd, "by", dimensions()...)
	return cmd
}

func dimensions() (names []string) {
	for _, d := range money.Dimensions() {
		names = append(names, string(d))
	}
	return names
}

// shownRows is the default limit for people.
const shownRows = 50

// query checks the flags, except for the times.
func (o options) query() (money.CostQuery, error) {
	q := money.CostQuery{Limit: o.limit}
	for _, name := range o.by {
		if err := cli.CheckOneOf("by", name, dimensions()); err != nil {
			return q, err
		}
		if by := money.Dimension(name); !slices.Contains(q.By, by) {
			q.By = append(q.By, by)
		}
	}
	if o.tenant != "" {
		t, err := tenant.Parse(o.tenant)
		if err != nil {
			return q, cli.Usage("--tenant: %v", err)
		}
		q.Tenant = string(t)
	}
	if o.limit < 0 {
		return q, cli.Usage("--limit must not be negative")
	}
	for flag, text := range map[string]string{"since": o.since, "until": o.until} {
		if _, err := moment(flag, text, time.Unix(0, 0)); err != nil {
			return q, err
		}
	}
	return q, nil
}

func (a app) run(ctx context.Context, o options, q money.CostQuery) (err error) {
	cfg, err := a.Config()
	if err != nil {
		return err
	}
	r, err := costs.Open(ctx, cfg.Ledger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	now, err := r.Now(ctx)
	if err != nil {
		return err
	}
	if q.Since, err = moment("since", o.since, now); err != nil {
		return err
	}
	if q.Until, err = moment("until", o.until, now); err != nil {
		return err
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return cli.Usage("--until must be after --since")
	}
	if q.Limit == 0 && !a.JSON && !o.csv {
		q.Limit = shownRows
	}
	out, err := r.Costs(ctx, q)
	if err != nil {
		return err
	}
	if o.html != "" {
		if err := a.page(ctx, r, o.html, q, out, now); err != nil {
			return err
		}
	}
	switch {
	case a.JSON:
		return a.PrintJSON(out.Report(q))
	case o.csv:
		return writeCSV(a.Out, q.By, out)
	}
	a.table(q, out, now)
	return nil
}

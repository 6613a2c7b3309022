// Package ledger is the part of the command line that moves a ledger from a file to PostgreSQL.
package ledger

import (
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/config/ledgerurl"
	"github.com/cogniverse/cogflow/internal/ledger/transfer"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Copy the ledger of one host to PostgreSQL",
		Long: `The ledger holds what calls and GPU time cost, and the budgets. It is a file on one host, or a PostgreSQL
database that several hosts share. Copy moves from the first to the second.`,
	}
	cmd.AddCommand(app{a}.copyCommand())
	return cli.Feature{Commands: []*cobra.Command{cmd}}
}

func (a app) copyCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "copy",
		Short: "Copy a ledger from a file to PostgreSQL",
		Long: `Copy copies all entries and budgets of a ledger in a file to a ledger in PostgreSQL, and compares the
sums of both. Jobs, tenants and budgets then go on with what was spent. Let all workers of the file
drain and end first: a file with calls in flight is refused.

An interrupted copy is repeated: what was copied is not added again. The files of several hosts can be
copied into one database. Budgets that the database has already keep its amounts.

The password of the database is read from PGPASSWORD or ~/.pgpass, or is in the URL.`,
		Example: "  cogflow ledger copy --to postgres://cogflow@db.example:5432/cogflow\n" +
			"  cogflow ledger copy --from file:///var/lib/cogflow/ledger.db --to postgres://cogflow@db.example:5432/cogflow --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, url, err := a.places(from, to)
			if err != nil {
				return err
			}
			r, err := transfer.Copy(cmd.Context(), file, url, func(done, of int64) { a.Note("copied %d of %d entries", done, of) })
			if err != nil {
				return err
			}
			return a.print(file, url, r)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "`file` of the ledger (default that of the configuration)")
	cmd.Flags().StringVar(&to, "to", "", "`URL` of the database, postgres://user@host:5432/database")
	return cmd
}

// places are the file and the URL, checked.
func (a app) places(from, to string) (file, url string, err error) {
	if to == "" {
		return "", "", cli.Usage("--to is required, such as postgres://cogflow@db.example:5432/cogflow")
	}
	url, bad, fix := ledgerurl.Place(to)
	if bad == "" && ledgerurl.File(url) != "" {
		bad, fix = "not the URL of a PostgreSQL database", "write it like postgres://user@host:5432/database"
	}
	if bad != "" {
		return "", "", cli.Usage("--to: %s; %s", bad, fix)
	}
	if from == "" {
		c, err := a.Config()
		if err != nil {
			return "", "", err
		}
		from = c.Ledger
	}
	place, bad, fix := ledgerurl.Place(from)
	if bad == "" && ledgerurl.File(place) == "" {
		bad, fix = "not a file", "name the file of the ledger, such as .cogflow/ledger.db"
	}
	if bad != "" {
		return "", "", cli.Usage("--from: %s; %s", bad, fix)
	}
	return place, url, nil
}

func (a app) print(file, url string, r transfer.Result) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	a.Say("%s: %s", file, r.File)
	a.Say("%s: %s, of which %d were added now", ledgerurl.Shown(url), r.Copied, r.Added.Entries)
	if r.Renamed > 0 {
		a.Say("%d entries have a new key, because an entry of another host has theirs", r.Renamed)
	}
	a.Say("budgets added: %d", r.Budgets)
	for _, b := range r.Kept {
		a.Say("The database has another amount for the budget of %s, which stays.", b)
	}
	a.Say("The sums are equal. Start the workers with COGFLOW_LEDGER=%s", ledgerurl.Shown(url))
	return nil
}

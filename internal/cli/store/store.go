// Package store is the part of the command line that checks and repairs the object store.
// It accesses the store directly, without the Temporal server, and does not interpret objects.
package store

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/tenant"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{f.command()},
	}
}

func (a app) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Check and repair the object store",
		Long: `The commands work on the store that the configuration names, without a worker. Use them after a
store was copied or restored. Workers may run at the same time.`,
	}
	cmd.AddCommand(a.checkCommand())
	return cmd
}

// checked is the output of `store check --json`.
type checked struct {
	Objects  int                `json:"objects"`
	Counts   map[blob.State]int `json:"counts"`
	Findings []blob.Finding     `json:"findings"` // at most maxFindings
	Repair   bool               `json:"repair"`
}

// maxFindings is the maximum number of listed findings; the counts include all.
const maxFindings = 1000

func (a app) checkCommand() *cobra.Command {
	var o blob.CheckOptions
	var owner, prefix string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find objects that are damaged or lost their checksums",
		Long: `Check checks every object of the store, or of a tenant. A copy without extended attributes (file
store) or metadata (S3) loses the checksums, and workers do not read such objects. Without --repair
nothing is changed.

With --repair an object gets its checksum back if its content is proven: a manifest names its
SHA-256, or its key is its SHA-256.

States: repairable, repaired, unproven (the original content is unknown), damaged (the
content has changed). Exit codes: 0 all objects are intact or repaired, 3 some are not.`,
		Example: "  cogflow store check\n  cogflow store check --tenant acme --repair\n  cogflow store check --full --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Trust && !o.Repair {
				return cli.Usage("--trust requires --repair")
			}
			o.Prefix = prefix
			if owner != "" {
				t, err := tenant.Parse(owner)
				if err != nil {
					return cli.Usage("--tenant: %s", err)
				}
				o.Prefix = string(t) + "/" + prefix
			}
			return a.check(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&owner, "tenant", "", "check only objects of this tenant (default: all)")
	cmd.Flags().StringVar(&prefix, "prefix", "", "check only keys with this prefix; with --tenant, below the tenant")
	cmd.Flags().BoolVar(&o.Full, "full", false, "read and compare the content of every object, not only of those without a checksum")
	cmd.Flags().BoolVar(&o.Repair, "repair", false, "restore checksums where the content is proven")
	cmd.Flags().BoolVar(&o.Trust, "trust", false, "with --repair: also without proof; only for a copy that you know to be intact")
	return cmd
}

func (a app) check(ctx context.Context, o blob.CheckOptions) error {
	store, err := a.Store(ctx)
	if err != nil {
		return err
	}
	sealer, ok := store.(blob.Sealer)
	if !ok {
		return errors.New("this kind of store cannot be checked")
	}
	out := checked{Findings: []blob.Finding{}, Repair: o.Repair}
	out.Counts, err = blob.Check(ctx, sealer, o, func(f blob.Finding) error {
		if len(out.Findings) < maxFindings {
			out.Findings = append(out.Findings, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range out.Counts {
		out.Objects += n
	}
	if a.JSON {
		err = a.PrintJSON(out)
	} else {
		a.printCheck(out)
	}
	if left := out.Counts[blob.Repairable] + out.Counts[blob.Unproven] + out.Counts[blob.Damaged]; err == nil && left > 0 {
		return &cli.ExitError{Code: cli.ExitPartial}
	}
	return err
}

func (a app) printCheck(out checked) {
	rows := [][]string{}
	fixes := map[string]bool{}
	for _, f := range out.Findings {
		rows = append(rows, []string{f.Key, string(f.State), f.Proof, f.Cause})
		if f.Fix != "" && !fixes[string(f.State)+f.Fix] {
			fixes[string(f.State)+f.Fix] = true
			defer a.Say("%s: %s", f.State, f.Fix)
		}
	}
	if len(rows) > 0 {
		a.Table([]cli.Column{{Name: "OBJECT"}, {Name: "STATE"}, {Name: "PROOF"}, {Name: "CAUSE", Flex: true}}, rows)
	}
	a.Say("%s: %d intact, %d repaired, %d repairable, %d unproven, %d damaged", format.Count(out.Objects, "object", "objects"),
		out.Counts[blob.Whole], out.Counts[blob.Repaired], out.Counts[blob.Repairable], out.Counts[blob.Unproven], out.Counts[blob.Damaged])
}

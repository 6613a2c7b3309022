// Package adapters is the part of the command line that lists, shows, activates and
// downloads adapters. It does not start or watch training runs.
package adapters

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/train"
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
		Use:   "adapters",
		Short: "List, show, activate or download adapters",
		Long: `Every training run publishes a version of an adapter, named NAME@VERSION: @3 or @v3. Without
a version, commands use the active one, else the latest. One version per role is active; by
default the role has the adapter's name.`,
	}
	cmd.AddCommand(
		a.listCommand(), a.showCommand(), a.activateCommand(),
		a.roleCommand("deactivate", "DeactivateAdapter", "Serve a role with its base model again",
			"Deactivate removes the active adapter of ROLE, and unloads it from the model server if one is\nconfigured. The adapter stays published."),
		a.roleCommand("rollback", "RollbackAdapter", "Reactivate the previous adapter of a role",
			"Rollback reactivates the adapter that was active in ROLE before the current one."),
		a.downloadCommand(),
	)
	return cmd
}

// job returns the start of a short workflow about adapters.
func job(kind, what string, common workflows.Common, input any) cli.Job {
	return cli.Job{
		Kind: kind, ID: fmt.Sprintf("adapters-%s-%s", common.Tenant, uuid.NewString()), Common: common, Summary: what, Input: input,
	}
}

func tenantFlag(cmd *cobra.Command, c *workflows.Common) {
	cmd.Flags().StringVar(&c.Tenant, "tenant", "", `tenant that owns the adapters (default "default")`)
}

func (a app) listCommand() *cobra.Command {
	var in train.ListAdaptersInput
	cmd := &cobra.Command{
		Use:               "list [NAME]",
		Short:             "List published adapters",
		Long:              "List shows the versions of every adapter, or of one, the latest first.",
		Example:           "  cogflow adapters list --tenant acme\n  cogflow adapters list support --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.names(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.Name = args[0]
				if err := training.CheckName("adapter", in.Name); err != nil {
					return cli.Usage("%v", err)
				}
			}
			if err := cli.Normalize(&in.Common); err != nil {
				return err
			}
			var r registry.AdapterList
			raw, err := a.Ask(cmd.Context(), job("ListAdapters", "list adapters", in.Common, in), &r)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(raw)
			}
			a.printAdapters(r)
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().StringVar(&in.Role, "role", "", "list only this role")
	a.CompleteFlag(cmd, "role", a.roles(&in.Common))
	return cmd
}

func (a app) printAdapters(r registry.AdapterList) {
	if len(r.Adapters) == 0 {
		a.Say("No adapters.")
		return
	}
	rows := make([][]string, len(r.Adapters))
	for i, l := range r.Adapters {
		better := "not better"
		if l.Better {
			better = "better"
		}
		value := "-"
		if metric := training.PrimaryMetric(l.Method, l.Metrics); metric != "" {
			value = metric + " " + format.Metric(l.Metrics[metric])
		}
		rows[i] = []string{
			cli.Ref(l.Name, l.Version), l.Status, l.Role, string(l.Method), value, better, format.Bytes(l.Bytes),
			l.Created.UTC().Format(time.DateOnly), l.Base,
		}
		if l.Created.IsZero() { // a damaged version has only a name and a status
			rows[i] = []string{cli.Ref(l.Name, l.Version), l.Status, "-", "-", "-", "-", "-", "-", "-"}
		}
	}
	a.Table([]cli.Column{
		{Name: "adapter"},
		{Name: "status"},
		{Name: "role"},
		{Name: "method"},
		{Name: "held out", Right: true},
		{Name: "vs base"},
		{Name: "size", Right: true},
		{Name: "created"},
		{Name: "base model", Flex: true},
	}, rows)
	if r.More {
		a.Say("The list is cut. Add NAME or --role to see fewer versions.")
	}
}

func (a app) showCommand() *cobra.Command {
	var in train.ShowAdapterInput
	cmd := &cobra.Command{
		Use:               "show NAME[@VERSION]",
		Short:             "Show one adapter: lineage, metrics, files",
		Long:              "Show prints lineage, metrics and files of an adapter. With --json it prints the whole manifest.",
		Example:           "  cogflow adapters show support@3\n  cogflow adapters show support --json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.versions(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, raw, err := a.showAdapter(cmd.Context(), in, args[0])
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(raw)
			}
			a.printAdapter(d)
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	return cmd
}

// showAdapter returns the manifest of the adapter that text refers to.
func (a app) showAdapter(ctx context.Context, in train.ShowAdapterInput, text string) (d registry.AdapterDetail, raw any, err error) {
	if in.Name, in.Version, err = cli.ParseRef(text); err != nil {
		return d, nil, err
	}
	if err := cli.Normalize(&in.Common); err != nil {
		return d, nil, err
	}
	raw, err = a.Ask(ctx, job("ShowAdapter", "show adapter "+text, in.Common, in), &d)
	return d, raw, err
}

func (a app) printAdapter(d registry.AdapterDetail) {
	s, o := d.Spec, d.Outcome
	rows := [][]string{
		{"name", cli.Ref(d.Name, d.Version)},
		{"status", d.Status + " in role " + d.Role},
		{"kind", d.Kind},
		{"base model", s.Model},
		{"base revision", s.Revision},
		{"method", string(s.Method) + ", " + string(s.Numerics)},
		{"dataset", s.Dataset},
		{"held out", format.OrDash(s.Evaluation)},
		{"seed", strconv.FormatInt(s.Seed, 10)},
		{"training", fmt.Sprintf("%s, %s, best at %d, %s, %s", o.Ended, format.Count(o.Steps, "step", "steps"), o.BestStep, format.Seconds(o.Seconds), format.Dollars(o.CostUSD))},
		{"device", strings.Trim(o.GPU+", "+o.Device, ", ")},
		{"created", d.Created.UTC().Format(time.RFC3339)},
		{"job", d.Job},
		{"workflow", d.Workflow},
		{"files in the store", d.Prefix},
	}
	if s.Start != nil {
		rows = append(rows, []string{"continues", s.Start.String() + ", which is the base of the metrics"})
	}
	if l := s.LoRA; l != nil {
		rows = append(rows, []string{"lora", fmt.Sprintf("r %d, alpha %d, dropout %g, %s", l.R, l.Alpha, l.Dropout, strings.Join(l.TargetModules, " "))})
	}
	cli.WriteTable(a.Out, 0, []cli.Column{{Name: "adapter"}, {Name: ""}}, rows)
	a.PrintMetrics(o.BaseMetrics, o.Metrics)
	if c := o.Comparison; c != nil && c.Verdict != "" {
		a.Say("%s", c.Verdict)
		a.Say("")
	}
	files := make([][]string, len(d.Files))
	for i, f := range d.Files {
		files[i] = []string{f.Name, format.Bytes(f.Size), a.Short(f.SHA256)}
	}
	a.Table([]cli.Column{{Name: "file"}, {Name: "size", Right: true}, {Name: "sha256"}}, files)
}

func (a app) activateCommand() *cobra.Command {
	var in train.ActivateAdapterInput
	cmd := &cobra.Command{
		Use:   "activate NAME[@VERSION]",
		Short: "Activate an adapter in its role",
		Long: `Activate makes a version (default: the latest) the active one of its role. If a model server is
configured, it loads the version there and tests it first. A version that is not better than
its base model requires --force.`,
		Example:           "  cogflow adapters activate support@3\n  cogflow adapters activate support --role router --tenant acme",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.versions(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Name, in.Version, err = cli.ParseRef(args[0]); err != nil {
				return err
			}
			return a.changeRole(cmd.Context(), "ActivateAdapter", "activate "+args[0], in)
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().StringVar(&in.Role, "role", "", "role to serve (default: the adapter's own)")
	cmd.Flags().BoolVar(&in.Force, "force", false, "allow a version that is not better than its base")
	return cmd
}

func (a app) roleCommand(verb, kind, short, long string) *cobra.Command {
	var in train.ActivateAdapterInput
	cmd := &cobra.Command{
		Use: verb + " ROLE", Short: short, Long: long,
		Example:           "  cogflow adapters " + verb + " support --tenant acme",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.roles(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.Contains(args[0], "@") {
				return cli.Usage("%s takes a role, not a version: use cogflow adapters %s ROLE", verb, verb)
			}
			in.Role = args[0]
			return a.changeRole(cmd.Context(), kind, verb+" "+args[0], in)
		},
	}
	tenantFlag(cmd, &in.Common)
	return cmd
}

func (a app) changeRole(ctx context.Context, kind, what string, in train.ActivateAdapterInput) error {
	if in.Role != "" {
		if err := training.CheckName("role", in.Role); err != nil {
			return cli.Usage("%v", err)
		}
	}
	if err := cli.Normalize(&in.Common); err != nil {
		return err
	}
	var r train.ActivateAdapterResult
	raw, err := a.Ask(ctx, job(kind, what, in.Common, in), &r)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(raw)
	}
	if r.Active == nil {
		a.Say("No adapter is active in the role %s.", r.Role.Role)
		return nil
	}
	a.Say("%s is active in the role %s.", cli.Ref(r.Active.Name, r.Active.Version), r.Role.Role)
	if r.Loaded != "" {
		a.Say("The model server serves it as %s.", r.Loaded)
	}
	return nil
}

func (a app) downloadCommand() *cobra.Command {
	var in train.ShowAdapterInput
	var to string
	cmd := &cobra.Command{
		Use:   "download NAME[@VERSION]",
		Short: "Download an adapter and check its files",
		Long: `Download copies every file of an adapter from the object store into a new directory, and checks
size and SHA-256 against the manifest. The directory appears when it is complete. Existing
files are never overwritten.`,
		Example:           "  cogflow adapters download support@3 --to ./support",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.versions(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, _, err := cli.ParseRef(args[0]); err != nil {
				return err
			}
			d, _, err := a.showAdapter(cmd.Context(), in, args[0])
			if err != nil {
				return err
			}
			if to == "" {
				to = fmt.Sprintf("%s-%d", d.Name, d.Version)
			}
			done, err := transfer.Download(cmd.Context(), a.App, transfer.Published{
				Op: "download adapter", Name: d.Name, Version: d.Version, Prefix: d.Prefix, Files: d.Files,
			}, to)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(done)
			}
			a.Say("%s: %s, %s, every SHA-256 matches the manifest", done.Path, format.Count(done.Files, "file", "files"), format.Bytes(done.Bytes))
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().StringVar(&to, "to", "", "new directory (default: NAME-VERSION)")
	return cmd
}

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

func (a *App) adaptersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adapters",
		Short: "List, show, activate or download what was trained",
		Long: `Every training run publishes a version of an adapter, named NAME@VERSION: @3 or @v3. Without
a version the active one is meant, else the latest. Of each role (by default the adapter's
name) one version is active.`,
	}
	cmd.AddCommand(
		a.adaptersListCommand(), a.adaptersShowCommand(), a.adaptersActivateCommand(),
		a.adaptersRoleCommand("deactivate", "DeactivateAdapter", "Leave a role without an adapter",
			"Deactivate leaves ROLE without an adapter and unloads it from the model server, where one is\nconfigured. The adapter stays published."),
		a.adaptersRoleCommand("rollback", "RollbackAdapter", "Make the former adapter of a role active again",
			"Rollback makes the adapter active that served ROLE before the one that does now."),
		a.adaptersDownloadCommand(),
	)
	return cmd
}

// adapterJob is a short workflow about adapters.
func adapterJob(kind, what string, common workflows.Common, input any) Job {
	return Job{
		Kind: kind, ID: fmt.Sprintf("adapters-%s-%s", common.Tenant, uuid.NewString()), Common: common, Summary: what, Input: input,
	}
}

func tenantFlag(cmd *cobra.Command, c *workflows.Common) {
	cmd.Flags().StringVar(&c.Tenant, "tenant", "", `whose adapters (default "default")`)
}

func (a *App) adaptersListCommand() *cobra.Command {
	var in workflows.ListAdaptersInput
	cmd := &cobra.Command{
		Use:     "list [NAME]",
		Short:   "List published adapters",
		Long:    "List shows the versions of every adapter, or of one, the latest first.",
		Example: "  cogflow adapters list --tenant acme\n  cogflow adapters list support --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.Name = args[0]
				if err := training.CheckName("adapter", in.Name); err != nil {
					return usage("%v", err)
				}
			}
			if err := normal(&in.Common); err != nil {
				return err
			}
			var r registry.AdapterList
			raw, err := a.ask(cmd.Context(), adapterJob("ListAdapters", "list adapters", in.Common, in), &r)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.printJSON(raw)
			}
			a.printAdapters(r)
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().StringVar(&in.Role, "role", "", "only this role's")
	return cmd
}

func (a *App) printAdapters(r registry.AdapterList) {
	if len(r.Adapters) == 0 {
		a.say("No adapters.")
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
			value = metric + " " + metricText(l.Metrics[metric])
		}
		rows[i] = []string{
			adapterRef(l.Name, l.Version), l.Status, l.Role, string(l.Method), value, better, bytesText(l.Bytes),
			l.Created.UTC().Format(time.DateOnly), l.Base,
		}
	}
	a.table([]column{
		{name: "adapter"},
		{name: "status"},
		{name: "role"},
		{name: "method"},
		{name: "held out", right: true},
		{name: "than its base"},
		{name: "size", right: true},
		{name: "created"},
		{name: "base model", flex: true},
	}, rows)
	if r.More {
		a.say("There are more: name one, or a role.")
	}
}

func (a *App) adaptersShowCommand() *cobra.Command {
	var in workflows.ShowAdapterInput
	cmd := &cobra.Command{
		Use:     "show NAME[@VERSION]",
		Short:   "Show one adapter: lineage, metrics, files",
		Long:    "Show prints what an adapter is, where it comes from and how good it is. With --json it is\nthe whole manifest.",
		Example: "  cogflow adapters show support@3\n  cogflow adapters show support --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, raw, err := a.showAdapter(cmd.Context(), in, args[0])
			if err != nil {
				return err
			}
			if a.JSON {
				return a.printJSON(raw)
			}
			a.printAdapter(d)
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	return cmd
}

// showAdapter asks for the manifest of the adapter that text names.
func (a *App) showAdapter(ctx context.Context, in workflows.ShowAdapterInput, text string) (d registry.AdapterDetail, raw any, err error) {
	if in.Name, in.Version, err = parseAdapter(text); err != nil {
		return d, nil, err
	}
	if err := normal(&in.Common); err != nil {
		return d, nil, err
	}
	raw, err = a.ask(ctx, adapterJob("ShowAdapter", "show adapter "+text, in.Common, in), &d)
	return d, raw, err
}

func (a *App) printAdapter(d registry.AdapterDetail) {
	s, o := d.Spec, d.Outcome
	rows := [][]string{
		{"name", adapterRef(d.Name, d.Version)},
		{"status", d.Status + " in role " + d.Role},
		{"kind", d.Kind},
		{"base model", s.Model},
		{"base revision", s.Revision},
		{"method", string(s.Method) + ", " + string(s.Numerics)},
		{"dataset", s.Dataset},
		{"held out", orDash(s.Evaluation)},
		{"seed", strconv.FormatInt(s.Seed, 10)},
		{"training", fmt.Sprintf("%s, %s, best at %d, %s, %s", o.Ended, count(o.Steps, "step", "steps"), o.BestStep, secondsText(o.Seconds), dollars(o.CostUSD))},
		{"device", strings.Trim(o.GPU+", "+o.Device, ", ")},
		{"created", d.Created.UTC().Format(time.RFC3339)},
		{"job", d.Job},
		{"workflow", d.Workflow},
		{"files in the store", d.Prefix},
	}
	if l := s.LoRA; l != nil {
		rows = append(rows, []string{"lora", fmt.Sprintf("r %d, alpha %d, dropout %g, %s", l.R, l.Alpha, l.Dropout, strings.Join(l.TargetModules, " "))})
	}
	writeTable(a.Out, 0, []column{{name: "adapter"}, {name: ""}}, rows)
	a.printMetrics(o.BaseMetrics, o.Metrics)
	if c := o.Comparison; c != nil && c.Verdict != "" {
		a.say("%s", c.Verdict)
		a.say("")
	}
	files := make([][]string, len(d.Files))
	for i, f := range d.Files {
		files[i] = []string{f.Name, bytesText(f.Size), a.short(f.SHA256)}
	}
	a.table([]column{{name: "file"}, {name: "size", right: true}, {name: "sha256"}}, files)
}

func (a *App) adaptersActivateCommand() *cobra.Command {
	var in workflows.ActivateAdapterInput
	cmd := &cobra.Command{
		Use:   "activate NAME[@VERSION]",
		Short: "Make an adapter the active one of its role",
		Long: `Activate makes a version (by default the latest) the active one of its role and loads it
into the model server, where one is configured. One that was not shown to be better than
its base model is refused without --force.`,
		Example: "  cogflow adapters activate support@3\n  cogflow adapters activate support --role router --tenant acme",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Name, in.Version, err = parseAdapter(args[0]); err != nil {
				return err
			}
			return a.changeRole(cmd.Context(), "ActivateAdapter", "activate "+args[0], in)
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().StringVar(&in.Role, "role", "", "role to serve (default: the adapter's own)")
	cmd.Flags().BoolVar(&in.Force, "force", false, "also if it was not shown to be better than its base")
	return cmd
}

func (a *App) adaptersRoleCommand(verb, kind, short, long string) *cobra.Command {
	var in workflows.ActivateAdapterInput
	cmd := &cobra.Command{
		Use: verb + " ROLE", Short: short, Long: long,
		Example: "  cogflow adapters " + verb + " support --tenant acme",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.Contains(args[0], "@") {
				return usage("%s takes a role, not a version: want cogflow adapters %s ROLE", verb, verb)
			}
			in.Role = args[0]
			return a.changeRole(cmd.Context(), kind, verb+" "+args[0], in)
		},
	}
	tenantFlag(cmd, &in.Common)
	return cmd
}

func (a *App) changeRole(ctx context.Context, kind, what string, in workflows.ActivateAdapterInput) error {
	if in.Role != "" {
		if err := training.CheckName("role", in.Role); err != nil {
			return usage("%v", err)
		}
	}
	if err := normal(&in.Common); err != nil {
		return err
	}
	var r workflows.ActivateAdapterResult
	raw, err := a.ask(ctx, adapterJob(kind, what, in.Common, in), &r)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(raw)
	}
	if r.Active == nil {
		a.say("No adapter is active in the role %s.", r.Role.Role)
		return nil
	}
	a.say("%s is active in the role %s.", adapterRef(r.Active.Name, r.Active.Version), r.Role.Role)
	if r.Loaded != "" {
		a.say("The model server serves it as %s.", r.Loaded)
	}
	return nil
}

func (a *App) adaptersDownloadCommand() *cobra.Command {
	var in workflows.ShowAdapterInput
	var to string
	cmd := &cobra.Command{
		Use:   "download NAME[@VERSION]",
		Short: "Fetch the files of an adapter, every one checked",
		Long: `Download fetches every file of an adapter from the object store into a new directory and
checks size and SHA-256 against the manifest. The directory appears when all of it is
there. What exists already is never overwritten.`,
		Example: "  cogflow adapters download support@3 --to ./support",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, _, err := parseAdapter(args[0]); err != nil {
				return err
			}
			d, _, err := a.showAdapter(cmd.Context(), in, args[0])
			if err != nil {
				return err
			}
			if to == "" {
				to = fmt.Sprintf("%s-%d", d.Name, d.Version)
			}
			done, err := download(cmd.Context(), a, published{
				op: "download adapter", name: d.Name, version: d.Version, prefix: d.Prefix, files: d.Files,
			}, to)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.printJSON(done)
			}
			a.say("%s: %s, %s, every SHA-256 as the manifest has it", done.Path, count(done.Files, "file", "files"), bytesText(done.Bytes))
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().StringVar(&to, "to", "", "new directory (default: NAME-VERSION)")
	return cmd
}

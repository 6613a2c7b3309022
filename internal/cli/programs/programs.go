// Package programs is the part of the command line that lists, shows, compares, promotes,
// canaries and exports versions of programs. It does not start or watch optimizations.
package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/optimize"
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
		Use:   "programs",
		Short: "List, show, compare, promote, canary or export programs",
		Long: `Every optimization publishes a version of its program, named NAME@VERSION: @3 or @v3. Without a
version, commands use the active one, else the latest. One version is active, and one may be a
canary, which a share of all keys gets.`,
	}
	cmd.AddCommand(a.listCommand(), a.showCommand(), a.diffCommand(), a.promoteCommand(),
		a.rollbackCommand(), a.canaryCommand(), a.exportCommand())
	return cmd
}

// job returns the start of a short workflow about programs.
func job(kind, what string, common workflows.Common, input any) cli.Job {
	return cli.Job{Kind: kind, ID: fmt.Sprintf("programs-%s-%s", common.Tenant, uuid.NewString()), Common: common, Summary: what, Input: input}
}

func tenantFlag(cmd *cobra.Command, c *workflows.Common) {
	cmd.Flags().StringVar(&c.Tenant, "tenant", "", `tenant that owns the programs (default "default")`)
}

func (a app) listCommand() *cobra.Command {
	var in optimize.ListProgramsInput
	cmd := &cobra.Command{
		Use:               "list [NAME]",
		Short:             "List published programs",
		Long:              "List shows the versions of every program, or of one, the latest first.",
		Example:           "  cogflow programs list --tenant acme\n  cogflow programs list agentic-router --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.names(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.Name = args[0]
				if err := training.CheckName("program", in.Name); err != nil {
					return cli.Usage("%v", err)
				}
			}
			r, raw, err := a.listPrograms(cmd.Context(), in)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(raw)
			}
			a.printPrograms(r)
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	return cmd
}

func (a app) listPrograms(ctx context.Context, in optimize.ListProgramsInput) (r registry.ProgramList, raw json.RawMessage, err error) {
	if err := cli.Normalize(&in.Common); err != nil {
		return r, nil, err
	}
	raw, err = a.Ask(ctx, job("ListPrograms", "list programs", in.Common, in), &r)
	return r, raw, err
}

func (a app) printPrograms(r registry.ProgramList) {
	if len(r.Programs) == 0 {
		a.Say("No programs.")
		return
	}
	rows := make([][]string, len(r.Programs))
	for i, l := range r.Programs {
		better := "not better"
		switch {
		case l.Promote:
			better = "better"
		case l.Rows == 0:
			better = "not confirmed"
		}
		rows[i] = []string{
			cli.Ref(l.Name, l.Version), status(l.Status, l.Share), l.Mode, format.Percent(l.Default), format.Percent(l.Score), better,
			fmt.Sprint(l.Calls), format.Dollars(l.CostUSD), l.Created.UTC().Format(time.DateOnly),
		}
		if l.Created.IsZero() { // a damaged version has only a name and a status
			rows[i] = []string{cli.Ref(l.Name, l.Version), l.Status, "-", "-", "-", "-", "-", "-", "-"}
		}
	}
	a.Table([]cli.Column{
		{Name: "program"},
		{Name: "status"},
		{Name: "mode"},
		{Name: "default", Right: true},
		{Name: "score", Right: true},
		{Name: "vs default"},
		{Name: "calls", Right: true},
		{Name: "cost", Right: true},
		{Name: "created"},
	}, rows)
}

func (a app) showCommand() *cobra.Command {
	var in optimize.ProgramInput
	var key string
	cmd := &cobra.Command{
		Use:   "show NAME[@VERSION]",
		Short: "Show one version: scores, instructions, demos",
		Long: `Show prints the scores of a version and its prompt. With --json it prints the whole manifest with
the program. With --key it shows the version that this key gets: the canary or the active one.`,
		Example: `  cogflow programs show agentic-router
  cogflow programs show agentic-router@3 --wide
  cogflow programs show agentic-router --key session-17`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.versions(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, raw, err := a.programFor(cmd, in, args[0], key)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(raw)
			}
			return a.printProgram(d)
		},
	}
	tenantFlag(cmd, &in.Common)
	keyFlag(cmd, &key)
	return cmd
}

// showProgram returns the version that text refers to.
func (a app) showProgram(ctx context.Context, in optimize.ProgramInput, text string) (d registry.ProgramDetail, raw json.RawMessage, err error) {
	if in.Name, in.Version, err = cli.ParseRef(text); err != nil {
		return d, nil, err
	}
	if err := cli.Normalize(&in.Common); err != nil {
		return d, nil, err
	}
	raw, err = a.Ask(ctx, job("ShowProgram", "show program "+text, in.Common, in), &d)
	return d, raw, err
}

func (a app) printProgram(d registry.ProgramDetail) error {
	program, err := prompt.Read(d.Program)
	if err != nil {
		return err
	}
	v := d.Verdict
	confirmed := "no: the scores are the search's own, and optimistic"
	if v.Examples > 0 {
		confirmed = fmt.Sprintf("on %s: %s before, %s now, not corrected", format.Count(v.Examples, "row", "rows"), format.Percent(100*v.Before), format.Percent(100*v.After))
	}
	gain := "-"
	if g := v.Gain; g != nil {
		gain = fmt.Sprintf("%s (95 %% confidence), estimate %s", format.Interval(100*g.Low, 100*g.High), format.Points(100*g.Estimate))
	}
	better := "not shown to be better than the default"
	if v.Promote {
		better = "better than the default"
	}
	rows := [][]string{{"name", cli.Ref(d.Name, d.Version)}, {"status", d.Status + ", " + better}}
	if c := d.Canary; c != nil {
		rows = append(rows, []string{"canary", canaryText(c)})
	}
	rows = append(rows, [][]string{
		{"gain", gain},
		{"confirmed", confirmed},
		{"mode", d.Mode},
		{"search", fmt.Sprintf("%s, %s (%d repeated), %s", format.Count(d.Trials, "trial", "trials"), format.Count(d.Calls, "call", "calls"), d.Repeated, format.Dollars(d.CostUSD))},
		{"student", format.OrDash(d.Models.Student)},
		{"teacher", format.OrDash(d.Models.Teacher)},
		{"proposer", format.OrDash(d.Models.Proposer)},
		{"created", d.Created.UTC().Format(time.RFC3339)},
		{"job", d.Job},
		{"workflow", d.Workflow},
		{"files in the store", d.Prefix},
	}...)
	cli.WriteTable(a.Out, 0, []cli.Column{{Name: "program"}, {Name: ""}}, rows)
	for _, p := range program.Predictors {
		a.Say("")
		a.Say("%s (%s)", p.Name, p.Module)
		a.Say("%s", indent(p.Instructions))
		for i, demo := range p.Demos {
			a.Say("  demo %d", i+1)
			a.printDemo("    ", demo)
		}
	}
	return nil
}

// demoCells is the width of one value of a demo without --wide.
const demoCells = 100

func (a app) printDemo(before string, demo *prompt.Object) {
	for _, name := range demo.Keys() {
		v, _ := demo.Get(name)
		text := safetext.Clean(python.Str(image.Describe(v)))
		if !a.Wide {
			text = safetext.Cut(text, demoCells+1)
		}
		a.Say("%s%s: %s", before, safetext.Clean(name), text)
	}
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

func (a app) promoteCommand() *cobra.Command {
	var in optimize.ProgramInput
	cmd := &cobra.Command{
		Use:   "promote NAME[@VERSION]",
		Short: "Make a version active",
		Long: `Promote makes a version (default: the latest) active. A version that is not better than the
default on rows that the search never saw requires --force.`,
		Example:           "  cogflow programs promote agentic-router@3\n  cogflow programs promote agentic-router --force",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.versions(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Name, in.Version, err = cli.ParseRef(args[0]); err != nil {
				return err
			}
			if in.Version == 0 {
				r, _, err := a.listPrograms(cmd.Context(), optimize.ListProgramsInput{Common: in.Common, Name: in.Name})
				if err != nil {
					return err
				}
				if len(r.Programs) == 0 {
					return fault.New(fault.Input, "promote program", in.Name, "not found; cogflow programs list shows published versions")
				}
				in.Version = r.Programs[0].Version
			}
			return a.changeProgram(cmd.Context(), "PromoteProgram", "promote "+args[0], in)
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().BoolVar(&in.Force, "force", false, "allow a version that is not better than the default")
	return cmd
}

func (a app) rollbackCommand() *cobra.Command {
	var in optimize.ProgramInput
	cmd := &cobra.Command{
		Use:               "rollback NAME",
		Short:             "Reactivate the previous version",
		Long:              "Rollback reactivates the version that was active before the current one. It ends a canary of the\nprogram; to end only the canary: cogflow programs canary NAME --off",
		Example:           "  cogflow programs rollback agentic-router --tenant acme",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.names(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.Contains(args[0], "@") {
				return cli.Usage("rollback takes a program, not a version: cogflow programs promote %s makes one active", args[0])
			}
			in.Name = args[0]
			if err := training.CheckName("program", in.Name); err != nil {
				return cli.Usage("%v", err)
			}
			return a.changeProgram(cmd.Context(), "RollbackProgram", "roll back "+in.Name, in)
		},
	}
	tenantFlag(cmd, &in.Common)
	return cmd
}

func (a app) changeProgram(ctx context.Context, kind, what string, in optimize.ProgramInput) error {
	if err := cli.Normalize(&in.Common); err != nil {
		return err
	}
	var r training.Role
	raw, err := a.Ask(ctx, job(kind, what, in.Common, in), &r)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(raw)
	}
	if r.Active == nil {
		a.Say("No version of %s is active.", in.Name)
		return nil
	}
	a.Say("%s is active.", cli.Ref(r.Active.Name, r.Active.Version))
	if r.Canary != nil {
		a.Say("Canary: %s.", canaryText(r.Canary))
	}
	return nil
}

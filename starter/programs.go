package main

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
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

func (a *App) programsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "programs",
		Short: "List, show, compare, promote, try out or export optimized programs",
		Long: `Every optimization publishes a version of its program, named NAME@VERSION: @3 or @v3. Without
a version the active one is meant, else the latest. One version of a program is active, and
another may be its canary, which a share of all keys gets.`,
	}
	cmd.AddCommand(a.programsListCommand(), a.programsShowCommand(), a.programsDiffCommand(), a.programsPromoteCommand(),
		a.programsRollbackCommand(), a.programsCanaryCommand(), a.programsExportCommand())
	return cmd
}

// programJob is a short workflow about programs.
func programJob(kind, what string, common workflows.Common, input any) Job {
	return Job{Kind: kind, ID: fmt.Sprintf("programs-%s-%s", common.Tenant, uuid.NewString()), Common: common, Summary: what, Input: input}
}

func programTenant(cmd *cobra.Command, c *workflows.Common) {
	cmd.Flags().StringVar(&c.Tenant, "tenant", "", `whose programs (default "default")`)
}

func (a *App) programsListCommand() *cobra.Command {
	var in workflows.ListProgramsInput
	cmd := &cobra.Command{
		Use:     "list [NAME]",
		Short:   "List published programs",
		Long:    "List shows the versions of every program, or of one, the latest first.",
		Example: "  cogflow programs list --tenant acme\n  cogflow programs list agentic-router --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.Name = args[0]
				if err := training.CheckName("program", in.Name); err != nil {
					return usage("%v", err)
				}
			}
			r, raw, err := a.listPrograms(cmd.Context(), in)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.printJSON(raw)
			}
			a.printPrograms(r)
			return nil
		},
	}
	programTenant(cmd, &in.Common)
	return cmd
}

func (a *App) listPrograms(ctx context.Context, in workflows.ListProgramsInput) (r registry.ProgramList, raw json.RawMessage, err error) {
	if err := normal(&in.Common); err != nil {
		return r, nil, err
	}
	raw, err = a.ask(ctx, programJob("ListPrograms", "list programs", in.Common, in), &r)
	return r, raw, err
}

func (a *App) printPrograms(r registry.ProgramList) {
	if len(r.Programs) == 0 {
		a.say("No programs.")
		return
	}
	rows := make([][]string, len(r.Programs))
	for i, l := range r.Programs {
		better := "not better"
		if l.Promote {
			better = "better"
		}
		rows[i] = []string{
			adapterRef(l.Name, l.Version), programStatus(l.Status, l.Share), l.Mode, percentText(l.Default), percentText(l.Score), better,
			fmt.Sprint(l.Calls), dollars(l.CostUSD), l.Created.UTC().Format(time.DateOnly),
		}
	}
	a.table([]column{
		{name: "program"},
		{name: "status"},
		{name: "mode"},
		{name: "default", right: true},
		{name: "score", right: true},
		{name: "than the default"},
		{name: "calls", right: true},
		{name: "cost", right: true},
		{name: "created"},
	}, rows)
}

func (a *App) programsShowCommand() *cobra.Command {
	var in workflows.ProgramInput
	var key string
	cmd := &cobra.Command{
		Use:   "show NAME[@VERSION]",
		Short: "Show one version: scores, instructions, demos",
		Long: `Show prints how good a version is and the prompt itself. With --json it is the whole
manifest with the program. With --key it is the version that a request, session or user of
that id gets: the canary or the active one.`,
		Example: `  cogflow programs show agentic-router
  cogflow programs show agentic-router@3 --wide
  cogflow programs show agentic-router --key session-17`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, raw, err := a.programFor(cmd, in, args[0], key)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.printJSON(raw)
			}
			return a.printProgram(d)
		},
	}
	programTenant(cmd, &in.Common)
	keyFlag(cmd, &key)
	return cmd
}

// showProgram asks for the version that text names.
func (a *App) showProgram(ctx context.Context, in workflows.ProgramInput, text string) (d registry.ProgramDetail, raw json.RawMessage, err error) {
	if in.Name, in.Version, err = parseAdapter(text); err != nil {
		return d, nil, err
	}
	if err := normal(&in.Common); err != nil {
		return d, nil, err
	}
	raw, err = a.ask(ctx, programJob("ShowProgram", "show program "+text, in.Common, in), &d)
	return d, raw, err
}

func (a *App) printProgram(d registry.ProgramDetail) error {
	program, err := prompt.Read(d.Program)
	if err != nil {
		return err
	}
	v := d.Verdict
	confirmed := "not confirmed"
	if v.Examples > 0 {
		confirmed = fmt.Sprintf("on %s: %s before, %s now, gain above %s", count(v.Examples, "row", "rows"), percentText(100*v.Before),
			percentText(100*v.After), signedPoints(100*v.Bound))
	}
	better := "not shown to be better than the default"
	if v.Promote {
		better = "better than the default"
	}
	rows := [][]string{{"name", adapterRef(d.Name, d.Version)}, {"status", d.Status + ", " + better}}
	if c := d.Canary; c != nil {
		rows = append(rows, []string{"canary", canaryText(c)})
	}
	rows = append(rows, [][]string{
		{"confirmed", confirmed},
		{"mode", d.Mode},
		{"search", fmt.Sprintf("%s, %s (%d repeated), %s", count(d.Trials, "trial", "trials"), count(d.Calls, "call", "calls"), d.Repeated, dollars(d.CostUSD))},
		{"student", orDash(d.Models.Student)},
		{"teacher", orDash(d.Models.Teacher)},
		{"proposer", orDash(d.Models.Proposer)},
		{"created", d.Created.UTC().Format(time.RFC3339)},
		{"job", d.Job},
		{"workflow", d.Workflow},
		{"files in the store", d.Prefix},
	}...)
	writeTable(a.Out, 0, []column{{name: "program"}, {name: ""}}, rows)
	for _, p := range program.Predictors {
		a.say("")
		a.say("%s (%s)", p.Name, p.Module)
		a.say("%s", indent(p.Instructions))
		for i, demo := range p.Demos {
			a.say("  demo %d", i+1)
			a.printDemo("    ", demo)
		}
	}
	return nil
}

// demoCells is how much of one value of a demo is shown without --wide.
const demoCells = 100

func (a *App) printDemo(before string, demo *prompt.Object) {
	for _, name := range demo.Keys() {
		v, _ := demo.Get(name)
		text := safetext.Clean(python.Str(v))
		if !a.Wide {
			text = safetext.Cut(text, demoCells+1)
		}
		a.say("%s%s: %s", before, safetext.Clean(name), text)
	}
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

func (a *App) programsPromoteCommand() *cobra.Command {
	var in workflows.ProgramInput
	cmd := &cobra.Command{
		Use:   "promote NAME[@VERSION]",
		Short: "Make a version the active one",
		Long: `Promote makes a version (by default the latest) the active one. One that rows which no
search saw do not show to be better than the default is refused without --force.`,
		Example: "  cogflow programs promote agentic-router@3\n  cogflow programs promote agentic-router --force",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Name, in.Version, err = parseAdapter(args[0]); err != nil {
				return err
			}
			if in.Version == 0 {
				r, _, err := a.listPrograms(cmd.Context(), workflows.ListProgramsInput{Common: in.Common, Name: in.Name})
				if err != nil {
					return err
				}
				if len(r.Programs) == 0 {
					return fault.New(fault.Input, "promote program", in.Name, "there is none; cogflow programs list shows what there is")
				}
				in.Version = r.Programs[0].Version
			}
			return a.changeProgram(cmd.Context(), "PromoteProgram", "promote "+args[0], in)
		},
	}
	programTenant(cmd, &in.Common)
	cmd.Flags().BoolVar(&in.Force, "force", false, "also if it was not shown to be better than the default")
	return cmd
}

func (a *App) programsRollbackCommand() *cobra.Command {
	var in workflows.ProgramInput
	cmd := &cobra.Command{
		Use:     "rollback NAME",
		Short:   "Make the former version active again",
		Long:    "Rollback makes the version active that was so before the one that is now. A canary of the\nprogram ends; to end only that: cogflow programs canary NAME --off",
		Example: "  cogflow programs rollback agentic-router --tenant acme",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.Contains(args[0], "@") {
				return usage("rollback takes a program, not a version: cogflow programs promote %s makes one active", args[0])
			}
			in.Name = args[0]
			if err := training.CheckName("program", in.Name); err != nil {
				return usage("%v", err)
			}
			return a.changeProgram(cmd.Context(), "RollbackProgram", "roll back "+in.Name, in)
		},
	}
	programTenant(cmd, &in.Common)
	return cmd
}

func (a *App) changeProgram(ctx context.Context, kind, what string, in workflows.ProgramInput) error {
	if err := normal(&in.Common); err != nil {
		return err
	}
	var r training.Role
	raw, err := a.ask(ctx, programJob(kind, what, in.Common, in), &r)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(raw)
	}
	if r.Active == nil {
		a.say("No version of %s is active.", in.Name)
		return nil
	}
	a.say("%s is active.", adapterRef(r.Active.Name, r.Active.Version))
	if r.Canary != nil {
		a.say("Canary: %s.", canaryText(r.Canary))
	}
	return nil
}

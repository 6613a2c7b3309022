package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cogniverse/cogflow/internal/cli"
	cogflow "github.com/cogniverse/cogflow/internal/cli/root"
)

// commands describes every command of cogflow as its help does.
func commands(*comments) ([]byte, error) {
	a := &cli.App{}
	top := cogflow.Command(a)
	a.AddFlags(top)
	m := newMarkdown("Commands", "What `cogflow COMMAND --help` prints.\n\n"+top.Long)
	m.heading(2, "Flags of every command")
	flagTable(m, top.PersistentFlags())
	var describe func(c *cobra.Command)
	describe = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c.Runnable() {
			m.heading(2, c.CommandPath())
			m.text("%s\n", strings.TrimSpace(c.Long))
			m.text("```\n%s\n```", c.UseLine())
			if c.HasExample() {
				m.text("\nExamples:\n\n```\n%s\n```", dedent(c.Example))
			}
			if c.LocalNonPersistentFlags().HasAvailableFlags() {
				fmt.Fprintln(m)
				flagTable(m, c.LocalNonPersistentFlags())
			}
		}
		for _, sub := range c.Commands() {
			describe(sub)
		}
	}
	for _, c := range top.Commands() {
		describe(c)
	}
	return m.Bytes(), nil
}

func flagTable(m *markdown, flags *pflag.FlagSet) {
	var rows [][]string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, text := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind != "" {
			name += " " + kind
		}
		if d := f.DefValue; d != "" && d != "0" && d != "false" && d != "[]" && !strings.Contains(text, "default") {
			text += " (default " + d + ")"
		}
		rows = append(rows, []string{code(name), text})
	})
	m.table([]string{"Flag", "Meaning"}, rows)
}

// dedent removes the indentation of the first line from every line.
func dedent(text string) string {
	text = strings.Trim(text, "\n")
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	return strings.ReplaceAll(strings.TrimPrefix(text, indent), "\n"+indent, "\n")
}

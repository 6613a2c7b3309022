package programs

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/diff"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// compared is the output of `programs diff --json`.
type compared struct {
	Before     string           `json:"before"`
	After      string           `json:"after"`
	Score      [2]float64       `json:"score"` // before and after, in percent
	Changed    bool             `json:"changed"`
	Predictors []diff.Predictor `json:"predictors"`
}

func (a app) diffCommand() *cobra.Command {
	var in optimize.ProgramInput
	cmd := &cobra.Command{
		Use:   "diff NAME@VERSION [NAME]@VERSION",
		Short: "Compare two versions word by word",
		Long: `Diff shows what changed in the instructions, word by word: [-removed-] and {+added+}. It also
lists the demos that were added or removed.`,
		Example:           "  cogflow programs diff agentic-router@2 @3\n  cogflow programs diff agentic-router@2 other@1 --json",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.Complete(a.two(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.HasPrefix(args[1], "@") {
				name, _, _ := strings.Cut(args[0], "@")
				args[1] = name + args[1]
			}
			c, err := a.compare(cmd.Context(), in, args[0], args[1])
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(c)
			}
			a.printCompared(c)
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	return cmd
}

func (a app) compare(ctx context.Context, in optimize.ProgramInput, before, after string) (compared, error) {
	for _, name := range []string{before, after} {
		if _, _, err := cli.ParseRef(name); err != nil {
			return compared{}, err
		}
	}
	var details [2]registry.ProgramDetail
	var programs [2]*prompt.Program
	for i, name := range []string{before, after} {
		var err error
		if details[i], _, err = a.showProgram(ctx, in, name); err != nil {
			return compared{}, err
		}
		if programs[i], err = prompt.Read(details[i].Program); err != nil {
			return compared{}, err
		}
	}
	c := compared{
		Before: cli.Ref(details[0].Name, details[0].Version), After: cli.Ref(details[1].Name, details[1].Version),
		Score: [2]float64{details[0].Score, details[1].Score}, Predictors: diff.Programs(programs[0], programs[1]),
	}
	for _, p := range c.Predictors {
		c.Changed = c.Changed || p.Changed
	}
	return c, nil
}

func (a app) printCompared(c compared) {
	a.Say("%s (%s) → %s (%s)", c.Before, format.Percent(c.Score[0]), c.After, format.Percent(c.Score[1]))
	if !c.Changed {
		a.Say("The same instructions and demos.")
		return
	}
	colored := cli.IsTerminal(a.Out) && a.Getenv("NO_COLOR") == ""
	for _, p := range c.Predictors {
		a.Say("")
		if !p.Changed {
			a.Say("%s: unchanged", p.Name)
			continue
		}
		a.Say("%s: %s, before %d", p.Name, format.Count(p.DemosAfter, "demo", "demos"), p.DemosBefore)
		writeWords(a.Out, p.Instructions, colored)
		for _, d := range p.DemosRemoved {
			a.Say("  - demo")
			a.printDemo("      ", d)
		}
		for _, d := range p.DemosAdded {
			a.Say("  + demo")
			a.printDemo("      ", d)
		}
	}
}

// writeWords prints a comparison with marks, and on a terminal with colours. Texts are
// cleaned first, because cleaning would also remove the colours.
func writeWords(out io.Writer, parts []diff.Part, colored bool) {
	var b strings.Builder
	for _, p := range parts {
		words, color := safetext.CleanLines(p.Text), text.Reset
		switch p.Op {
		case diff.Removed:
			words, color = "[-"+words+"-]", text.FgRed
		case diff.Added:
			words, color = "{+"+words+"+}", text.FgGreen
		case diff.Same:
		}
		if colored && color != text.Reset {
			words = color.EscapeSeq() + words + text.Reset.EscapeSeq()
		}
		b.WriteString(words)
	}
	fmt.Fprintln(out, indent(b.String()))
}

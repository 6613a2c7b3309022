// Package explain is the part of the command line that says why a job waits or is slow, what ends
// that, and what a person can do. It collects facts (gather*.go), decides from them without asking
// anything more (decide*.go), and prints. It changes nothing.
package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/safetext"
)

type app struct{ *cli.App }

// Feature returns the commands of the package. jobs completes ids of jobs.
func Feature(a *cli.App, jobs cobra.CompletionFunc) cli.Feature {
	return cli.Feature{Commands: []*cobra.Command{app{a}.command(jobs)}}
}

// Answer is the output of `explain --json`.
type Answer struct {
	ID     string  `json:"id"`
	Kind   string  `json:"kind,omitempty"`   // workflow type; empty = no workflow has the id
	Status string  `json:"status,omitempty"` // of the newest run
	Cause  string  `json:"cause"`            // code of the first cause
	Text   string  `json:"text"`
	Causes []Cause `json:"causes"`          // the worst first
	Active int     `json:"active_children"` // open children
	Asked  int     `json:"asked_children"`  // of them, those that were asked
}

func (a app) command(jobs cobra.CompletionFunc) *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Say why a job waits or is slow, and what to do",
		Long: `Explain says in one sentence why a job waits or is slow. A table shows since when, what ends it, and
the commands that help. It looks at the job, at its steps and their workers, at its videos or training
runs, and at the schedule that started it. ID can also be that of a schedule. Explain changes nothing.

With --json, cause has a code that stays the same in later releases.`,
		Example:           "  cogflow explain ingest-default-local_preview-0123456789ab\n  cogflow explain ID --json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: jobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := a.explain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(answer)
			}
			a.print(answer, time.Now())
			return nil
		},
	}
}

func (a app) explain(ctx context.Context, id string) (Answer, error) {
	c, err := a.Connect(ctx)
	if err != nil {
		return Answer{}, err
	}
	a.About = id
	f, err := a.gather(ctx, c, id)
	if err != nil {
		return Answer{}, err
	}
	causes := decide(f)
	out := Answer{ID: id, Cause: causes[0].Code, Text: causes[0].Text, Causes: causes, Active: f.active, Asked: len(f.children)}
	if f.found {
		out.Kind, out.Status = f.kind, cli.StatusText(f.status)
	}
	return out, nil
}

// print prints the first cause as a sentence, and all of them as a table.
func (a app) print(out Answer, now time.Time) {
	a.Say("%s", safetext.Clean(sentence(out.Text)))
	for _, c := range out.Causes[1:] {
		a.Say("Also: %s", safetext.Clean(sentence(c.Text)))
	}
	a.Say("")
	rows := make([][]string, len(out.Causes))
	for i, c := range out.Causes {
		since, ends := "-", c.Ends
		if c.Since != nil {
			since = format.Ago(*c.Since, now)
		}
		if c.Until != nil && c.Until.After(now) {
			ends += fmt.Sprintf(" (in %s)", format.Span(c.Until.Sub(now)))
		}
		rows[i] = []string{c.Code, since, ends, c.Do[0]}
	}
	a.Table([]cli.Column{{Name: "what"}, {Name: "since"}, {Name: "what ends it", Flex: true}, {Name: "what you can do", Below: true}}, rows)
	var more []string
	for _, c := range out.Causes {
		for _, do := range c.Do[1:] {
			if !slices.Contains(more, do) {
				more = append(more, do)
			}
		}
	}
	if len(more) > 0 {
		a.Say("")
		a.Say("More commands:")
	}
	for _, do := range more {
		a.Say("  %s", do)
	}
	for _, c := range out.Causes {
		if len(c.Examples) > 1 {
			a.Say("")
			a.Say("The worst of %d with %s: %s", c.Runs, c.Code, safetext.Clean(strings.Join(c.Examples, ", ")))
		}
	}
}

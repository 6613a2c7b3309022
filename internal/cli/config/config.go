// Package config is the part of the command line that writes a first configuration, and
// shows and checks the current one. It reads the same configuration as workers, and from the
// store only what workers have learned about models. It opens no index or endpoint.
package config

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/safetext"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{f.initCommand(), f.command()},
	}
}

func (a app) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show or check the configuration",
		Long: `The configuration is Cogniverse's JSON file, named by --config or COGNIVERSE_CONFIG (default
configs/config.json). Its section "cogflow" is cogflow's own. Environment variables COGFLOW_*
override it. Without a file, the embedded defaults apply. In and below a folder in which
"make up" runs, the configuration of its worker applies.`,
	}
	cmd.AddCommand(a.showCommand(), a.checkCommand(), a.schemaCommand(), a.forgetCommand())
	return cmd
}

// shown is the output of `config show --json`.
type shown struct {
	config.Config
	ActiveProfile string          `json:"active_profile"`
	Requests      []modelRequests `json:"requests"`                 // by endpoint and model
	RequestsError string          `json:"requests_error,omitempty"` // why what workers have learned cannot be read
}

// patience limits the time for reading what workers have learned.
const patience = 15 * time.Second

func (a app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show the current settings, defaults included",
		Long: `Show prints the current settings, defaults included and secrets omitted.

Under "requests" it lists for each endpoint and model which parameters are sent, which are not and
why, and what the model has refused since when. "limit" is how many concurrent calls its server takes,
if workers have discovered it: they start with it. Both are read from the object store.`,
		Example: "  cogflow config show --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.Config()
			if err != nil {
				return err
			}
			out := shown{Config: c.Redacted(), ActiveProfile: c.Active()}
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			recall, failed := a.recall(ctx, c)
			out.Requests = requests(c, recall)
			if err := failed(); err != nil {
				out.RequestsError = safetext.Line(strings.ReplaceAll(err.Error(), c.Store, out.Store), safetext.MaxMessage)
			}
			if a.JSON {
				return a.PrintJSON(out)
			}
			return cli.WriteJSON(a.Out, out)
		},
	}
}

func (a app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of the configuration",
		Long:    "Schema prints the JSON Schema of the configuration file: every key with its type, meaning and default.\nEditors use it to complete and check the file.",
		Example: "  cogflow config schema > cogflow.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(schema)
			}
			return cli.WriteJSON(a.Out, schema)
		},
	}
}

// checked is the output of `config check --json`.
type checked struct {
	File     string          `json:"file"`
	Problems config.Problems `json:"problems"`
	Warnings []string        `json:"warnings,omitempty"` // what only some workers refuse
}

func (a app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check",
		Short:   "Check the configuration",
		Long:    "Check lists every problem of the configuration with its location and its fix. It ends with exit\ncode 1 if it finds a problem.",
		Example: "  COGNIVERSE_CONFIG=my.json cogflow config check",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, problems := config.Check(a.Getenv)
			if a.JSON {
				if problems == nil {
					problems = config.Problems{}
				}
				if err := a.PrintJSON(checked{File: c.File, Problems: problems, Warnings: c.Drain.Warnings(c.Training.Grace)}); err != nil {
					return err
				}
			} else {
				a.printChecked(c, problems)
			}
			if len(problems) > 0 {
				return &cli.ExitError{Code: cli.ExitFailed}
			}
			return nil
		},
	}
}

func (a app) printChecked(c config.Config, problems config.Problems) {
	from := c.File
	if from == "" {
		from = "no file; embedded defaults"
	}
	a.Say("configuration: %s", from)
	if len(problems) == 0 {
		a.Say("active profile: %s", c.Active())
		if _, err := c.Profile(""); err != nil {
			a.Say("problem: %s", strings.TrimSpace(err.Error()))
		}
		a.Say("No problems.")
		for _, w := range c.Drain.Warnings(c.Training.Grace) {
			a.Say("Warning: %s.", w)
		}
		return
	}
	for _, p := range problems {
		a.Say("%s", p)
	}
}

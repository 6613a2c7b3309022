// Package cli is what the commands of cogflow share: one invocation with its flags, its
// connection and its configuration, how jobs are started, followed and shown, tables, and
// exit codes. What is special about a kind of job its feature registers (Kind); this package
// knows no feature and opens nothing but the configuration, the store and the Temporal server.
package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/safetext"
)

// Process is what the system gives a program.
type Process struct {
	Version string // of the build; "dev" = none was given
	Args    []string
	Getenv  func(string) string
	Dir     string // working directory, from which a stack is looked for upward; empty = no stack is looked for
	In      io.Reader
	Out     io.Writer // answers
	Err     io.Writer // what people read meanwhile
}

// App is one invocation of the program: what its commands share.
type App struct {
	Process

	JSON  bool // one JSON document on Out
	Wide  bool // nothing cut
	Quiet bool // no progress
	Debug bool // notes about what went wrong and did no harm

	Kinds map[string]Kind // by workflow type: how jobs are shown
	Where Endpoint        // see Connect
	About string          // id of the job that advice is about; empty = none

	parsed  bool          // arguments were understood: errors are no usage errors any more
	printed bool          // the JSON document is out
	conn    client.Client // see Connect
	around  surroundings
}

// Run runs the program and returns its exit code.
func (a *App) Run(ctx context.Context, root *cobra.Command) int {
	defer a.close()
	a.AddFlags(root)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if a.parsed = true; isCompletion(cmd) {
			return nil
		}
		return a.settle()
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetArgs(a.Args)
	plainErrors(root)
	cmd, err := root.ExecuteContextC(ctx)
	return a.exit(ctx, cmd, err)
}

// AddFlags gives a root command the flags that all commands have.
func (a *App) AddFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.BoolVar(&a.JSON, "json", false, "print one JSON document on stdout")
	flags.BoolVar(&a.Wide, "wide", false, "do not shorten table cells")
	flags.BoolVarP(&a.Quiet, "quiet", "q", false, "show no progress")
	flags.BoolVar(&a.Debug, "debug", false, "also print notes about problems that do not affect the result")
	a.around.flags(flags)
}

func (a *App) close() {
	if a.conn != nil {
		a.conn.Close()
	}
}

// Note prints a line for people on stderr.
func (a *App) Note(format string, args ...any) {
	fmt.Fprintln(a.Err, safetext.CleanLines(fmt.Sprintf(format, args...)))
}

// Say prints a line of the answer for people on stdout.
func (a *App) Say(format string, args ...any) {
	fmt.Fprintln(a.Out, safetext.CleanLines(fmt.Sprintf(format, args...)))
}

// Config returns the configuration, or an error that lists its problems.
func (a *App) Config() (config.Config, error) { return config.Load(a.Getenv) }

// Store opens the object store of the configuration.
func (a *App) Store(ctx context.Context) (blob.Store, error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	return blob.Open(ctx, cfg.Store)
}

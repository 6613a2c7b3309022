// Package cli is the common part of all commands of cogflow: one invocation with its flags,
// connection and configuration, the start and display of jobs, tables, and exit codes. A
// feature registers what is specific to its kinds of jobs (Kind). This package imports no
// feature, and accesses only the configuration, the store and the Temporal server.
package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/internal/traces"
	"github.com/cogniverse/cogflow/safetext"
)

// Process is the environment of the program.
type Process struct {
	Version string // of the build; "dev" = not set at build time
	Args    []string
	Getenv  func(string) string
	Dir     string // working directory; .cogflow is searched here and above. Empty = no search
	In      io.Reader
	Out     io.Writer // results
	Err     io.Writer // messages and progress

	// Patience is the least time of the limits that bound how long a command waits for the server
	// and for a lookup by a worker; zero keeps those limits.
	Patience time.Duration
}

// Limit is how long a command waits for what takes d at most if its user has no patience.
func (p Process) Limit(d time.Duration) time.Duration { return max(d, p.Patience) }

// App is one invocation of the program.
type App struct {
	Process

	JSON  bool // one JSON document on Out
	Wide  bool // table cells are not shortened
	Quiet bool // no progress
	Debug bool // notes about problems that do not affect the result

	Kinds map[string]Kind // by workflow type: how jobs are shown
	Where submit.Server   // the server in use; set by Connect
	About string          // id of the job that advice names; empty = none

	plan    *plan          // where jobs are noted instead of started; nil = they are started
	parsed  bool           // the arguments are valid: later errors are not usage errors
	printed bool           // the JSON document was printed
	conn    client.Client  // set by Connect
	traces  *traces.Traces // likewise; nil = none are exported
	target  target
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
		return a.resolve()
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
	a.target.flags(flags)
}

func (a *App) close() {
	if a.conn != nil {
		a.conn.Close()
	}
	a.traces.Close(traceFlush)
}

// Note prints a message on stderr.
func (a *App) Note(format string, args ...any) {
	fmt.Fprintln(a.Err, safetext.CleanLines(fmt.Sprintf(format, args...)))
}

// Say prints a line of the result on stdout.
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

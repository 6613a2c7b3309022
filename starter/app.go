package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

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

	Kinds map[string]Kind // by workflow type: how jobs are shown
	Where Endpoint        // see Connect
	About string          // id of the job that advice is about; empty = none

	parsed  bool          // arguments were understood: errors are no usage errors any more
	printed bool          // the JSON document is out
	conn    client.Client // see Connect
}

// Run executes the command line below root and returns the exit code.
func (a *App) Run(ctx context.Context, root *cobra.Command) int {
	defer a.close()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRun = func(*cobra.Command, []string) { a.parsed = true }
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	flags := root.PersistentFlags()
	flags.BoolVar(&a.JSON, "json", false, "print one JSON document on stdout")
	flags.BoolVar(&a.Wide, "wide", false, "cut nothing in tables")
	flags.BoolVarP(&a.Quiet, "quiet", "q", false, "show no progress")
	root.SetArgs(a.Args)
	return a.exit(ctx, root.ExecuteContext(ctx))
}

func (a *App) close() {
	if a.conn != nil {
		a.conn.Close()
	}
}

// note prints a line for people on stderr.
func (a *App) note(format string, args ...any) {
	fmt.Fprintln(a.Err, safetext.CleanLines(fmt.Sprintf(format, args...)))
}

// say prints a line of the answer for people on stdout.
func (a *App) say(format string, args ...any) {
	fmt.Fprintln(a.Out, safetext.CleanLines(fmt.Sprintf(format, args...)))
}

// printJSON prints the one document. Characters that could steer a terminal
// are escaped; the document means the same.
func (a *App) printJSON(v any) error {
	a.printed = true
	return writeJSON(a.Out, v)
}

func writeJSON(w io.Writer, v any) error {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeJSON(out.String()))
	return err
}

// config returns the configuration, or an error that lists its problems.
func (a *App) config() (config.Config, error) { return config.Load(a.Getenv) }

// store opens the object store of the configuration.
func (a *App) store(ctx context.Context) (blob.Store, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	return blob.Open(ctx, cfg.Store)
}

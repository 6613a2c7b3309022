package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/config"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3 // finished; some items failed
	exitInterrupted = 130
)

// exitError ends the program with a code; an empty text says that everything
// was printed already.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, text: fmt.Sprintf(format, args...)}
}

// app is one invocation of the program.
type app struct {
	getenv   func(string) string
	in       io.Reader
	out, err io.Writer

	json  bool // one JSON document on out
	wide  bool // nothing cut
	quiet bool // no progress

	parsed  bool          // arguments were understood: errors are no usage errors any more
	printed bool          // the JSON document is out
	conn    client.Client // see connect
	where   endpoint
	job     string // the id that advice is about; empty = none
}

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, in io.Reader, out, err io.Writer) int {
	a := &app{getenv: getenv, in: in, out: out, err: err}
	defer a.close()
	root := a.root()
	root.SetArgs(args)
	return a.exit(ctx, root.ExecuteContext(ctx))
}

func (a *app) close() {
	if a.conn != nil {
		a.conn.Close()
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "cogflow",
		Short: "Ingest and search videos, train models and optimize prompts, durably, on your own machines",
		Long: `cogflow turns folders of videos into a searchable index, datasets into adapters of language
and embedding models, and examples into better prompts. The work runs as Temporal workflows on your own workers and
survives the death of any of them.

Exit codes: 0 done, 1 failed, 2 usage, 3 finished with some items failed, 130 interrupted.
Ctrl-C stops watching, not the job.`,
		Example: `  cogflow ingest ~/videos
  cogflow search "a red car on a bridge"
  cogflow train sft --dataset chats.jsonl --base-model HuggingFaceTB/SmolLM3-3B
  cogflow optimize --program router.json --trainset queries.jsonl
  cogflow status`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			a.parsed = true
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print one JSON document on stdout")
	flags.BoolVar(&a.wide, "wide", false, "cut nothing in tables")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "show no progress")
	root.AddCommand(
		a.ingestCommand(), a.searchCommand(), a.evalCommand(), a.videosCommand(),
		a.statusCommand(), a.watchCommand(), a.listCommand(),
		a.trainCommand(), a.adaptersCommand(),
		a.optimizeCommand(), a.programsCommand(), a.approveCommand(),
		a.cancelCommand(), a.pauseCommand(), a.resumeCommand(), a.stopCommand(), a.tuneCommand(), a.redriveCommand(),
		a.reportCommand(), a.profilesCommand(), a.vespaCommand(), a.storeCommand(), a.healthCommand(), a.configCommand(), a.versionCommand(),
	)
	return root
}

// exit prints what is still to be said about err and returns the exit code.
func (a *app) exit(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	code, text := exitFailed, ""
	if e, ok := errors.AsType[*exitError](err); ok {
		code, text = e.code, e.text
	} else if !a.parsed {
		code, text = exitUsage, err.Error()
	} else if ctx.Err() != nil {
		code, text = exitInterrupted, "interrupted"
	}
	f := failure{Message: text}
	if code == exitFailed && text == "" {
		f = a.explain(err)
	}
	if f.Message != "" {
		a.note("cogflow: %s", f)
	}
	if code == exitUsage {
		a.note("See cogflow --help.")
	}
	if a.json && !a.printed {
		if err := a.printJSON(map[string]failure{"error": f}); err != nil {
			return exitFailed
		}
	}
	return code
}

// note prints a line for people on stderr.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.err, cleanLines(fmt.Sprintf(format, args...)))
}

// say prints a line of the answer for people on stdout.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.out, cleanLines(fmt.Sprintf(format, args...)))
}

// printJSON prints the one document. Characters that could steer a terminal
// are escaped; the document means the same.
func (a *app) printJSON(v any) error {
	a.printed = true
	return writeJSON(a.out, v)
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
func (a *app) config() (config.Config, error) { return config.Load(a.getenv) }

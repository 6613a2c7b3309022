package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitPartial     = 3 // finished; some items failed
	ExitInterrupted = 130
)

// ExitError ends the program with a code. An empty text means that everything was printed.
type ExitError struct {
	Code int
	Text string
}

func (e *ExitError) Error() string { return e.Text }

// Usage is the error of an invalid command line.
func Usage(format string, args ...any) error {
	return &ExitError{Code: ExitUsage, Text: fmt.Sprintf(format, args...)}
}

// interrupted is the error of a command that ended because of Ctrl-C.
func interrupted(format string, args ...any) error {
	return &ExitError{Code: ExitInterrupted, Text: fmt.Sprintf(format, args...)}
}

// exit prints err, unless it was printed, and returns the exit code.
func (a *App) exit(ctx context.Context, cmd *cobra.Command, err error) int {
	if err == nil {
		return ExitDone
	}
	code, text := ExitFailed, ""
	if e, ok := errors.AsType[*ExitError](err); ok {
		code, text = e.Code, e.Text
	} else if !a.parsed {
		code, text = ExitUsage, err.Error()
	} else if ctx.Err() != nil {
		code, text = ExitInterrupted, "interrupted"
	}
	f := Failure{Message: text}
	if code == ExitFailed && text == "" {
		f = a.Explain(err)
	}
	if f.Message != "" {
		a.Note("cogflow: %s", f)
	}
	if code == ExitUsage {
		a.Note("Usage: %s\nSee `%s --help`.", cmd.UseLine(), cmd.CommandPath())
	}
	if a.JSON && !a.printed {
		if err := a.PrintJSON(map[string]Failure{"error": f}); err != nil {
			return ExitFailed
		}
	}
	return code
}

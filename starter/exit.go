package main

import (
	"context"
	"errors"
	"fmt"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3 // finished; some items failed
	exitInterrupted = 130
)

// ExitError ends the program with a code; an empty text says that everything
// was printed already.
type ExitError struct {
	Code int
	Text string
}

func (e *ExitError) Error() string { return e.Text }

// usage is the error of a command line that cannot be carried out as it is.
func usage(format string, args ...any) error {
	return &ExitError{Code: exitUsage, Text: fmt.Sprintf(format, args...)}
}

// interrupted is how a command ends after Ctrl-C.
func interrupted(format string, args ...any) error {
	return &ExitError{Code: exitInterrupted, Text: fmt.Sprintf(format, args...)}
}

// exit prints what is still to be said about err and returns the exit code.
func (a *App) exit(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	code, text := exitFailed, ""
	if e, ok := errors.AsType[*ExitError](err); ok {
		code, text = e.Code, e.Text
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
	if a.JSON && !a.printed {
		if err := a.printJSON(map[string]failure{"error": f}); err != nil {
			return exitFailed
		}
	}
	return code
}

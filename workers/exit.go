package main

import (
	"errors"

	"github.com/cogniverse/cogflow/internal/program"
)

// exitCode distinguishes configuration errors from temporary failures.
func exitCode(err error) int {
	if stopped, ok := errors.AsType[*stoppedError](err); ok {
		return stopped.code
	}
	return program.ExitCode(err)
}

// stoppedError is the error of a worker that the supervisor does not restart.
type stoppedError struct{ code int }

func (*stoppedError) Error() string {
	return "the worker cannot start with this configuration: fix the problem named above, then start again"
}

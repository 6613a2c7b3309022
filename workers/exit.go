package main

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
)

// Exit codes of the worker. A supervisor restarts a worker that crashed or could not reach a
// service, but not one that would fail in the same way again.
const (
	exitFailed        = 1  // failed; a restart may help
	exitUsage         = 2  // wrong command line
	exitConfiguration = 78 // wrong configuration (EX_CONFIG of sysexits.h)
)

// usageError is an invalid command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// exitCode distinguishes configuration errors from temporary failures.
func exitCode(err error) int {
	if stopped, ok := errors.AsType[*stoppedError](err); ok {
		return stopped.code
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	switch fault.ClassOf(err) {
	case fault.Input, fault.Auth:
		return exitConfiguration
	case fault.Overload, fault.Capacity, fault.Transport, fault.Preempted, fault.Budget:
	}
	return exitFailed
}

// stoppedError is the error of a worker that the supervisor does not restart.
type stoppedError struct{ code int }

func (*stoppedError) Error() string {
	return "the worker cannot start with this configuration: fix the problem named above, then start again"
}

package program

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
)

// Exit codes. A supervisor restarts a program that crashed or could not reach a service, but not
// one that would fail in the same way again.
const (
	ExitFailed        = 1  // failed; a restart may help
	ExitUsage         = 2  // wrong command line
	ExitConfiguration = 78 // wrong configuration (EX_CONFIG of sysexits.h)
)

// UsageError is an invalid command line.
type UsageError struct{ error }

// Unwrap returns the cause.
func (e UsageError) Unwrap() error { return e.error }

// Usage makes err the error of an invalid command line.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return UsageError{err}
}

// ExitCode distinguishes configuration errors from temporary failures.
func ExitCode(err error) int {
	if _, ok := errors.AsType[UsageError](err); ok {
		return ExitUsage
	}
	switch fault.ClassOf(err) {
	case fault.Input, fault.Auth:
		return ExitConfiguration
	case fault.Overload, fault.Capacity, fault.Transport, fault.Preempted, fault.Budget:
	}
	return ExitFailed
}

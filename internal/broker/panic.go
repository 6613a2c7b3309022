package broker

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
)

// errPanic marks a bug in an adapter that an answer triggered.
var errPanic = errors.New("internal error")

// guarded calls do and returns its panic as an error. Calls run in goroutines of their own,
// where a panic would end the worker and everything that it has in flight, and the next
// worker too, if the same answer causes it again.
//
// The panic of a goroutine that the adapter started is returned by the adapter.
func guarded(log *slog.Logger, do func() error) error {
	err := panics.Try(do)
	if p, ok := errors.AsType[*panics.Error](err); ok {
		log.Error("a call of a model panicked", "panic", p.Error(), "stack", p.Stack)
		return fmt.Errorf("%w: %v", errPanic, p.Value) // logged, so without the stack
	}
	return err
}

// asking is guarded for a request. After a panic the request is assumed to be billed,
// because an answer came, and the number of attempts is limited.
func asking(log *slog.Logger, do func() error) error {
	err := guarded(log, do)
	if errors.Is(err, errPanic) {
		err = money.ChargeUnknown(err)
	}
	return err
}

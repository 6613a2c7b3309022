package broker

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
)

// errPanic marks a bug in an adapter that an answer brought to light.
var errPanic = errors.New("internal error")

// guarded calls do, whose panic is an error. Calls run in goroutines of their own,
// where a panic would end the worker with all that it has in flight, and the next
// worker likewise: an answer can be what it takes.
//
// The panic of a goroutine that the adapter started comes as its error.
func guarded(log *slog.Logger, do func() error) error {
	err := panics.Try(do)
	if p, ok := errors.AsType[*panics.Error](err); ok {
		log.Error("a call of a model panicked", "panic", p.Error(), "stack", p.Stack)
		return fmt.Errorf("%w: %v", errPanic, p.Value) // logged, so without the stack
	}
	return err
}

// asking is guarded for a request. A panic is taken to be billed: an answer came
// that nobody thought of, and there is a bound to how often it is asked for.
func asking(log *slog.Logger, do func() error) error {
	err := guarded(log, do)
	if errors.Is(err, errPanic) {
		err = money.ChargeUnknown(err)
	}
	return err
}

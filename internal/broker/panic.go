package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/cogniverse/cogflow/money"
)

// errPanic marks a bug in an adapter that an answer brought to light.
var errPanic = errors.New("internal error")

// guarded calls do, whose panic is an error. Calls run in goroutines of their own,
// where a panic would end the worker with all that it has in flight, and the next
// worker likewise: an answer can be what it takes.
func guarded(log *slog.Logger, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
			log.Error("a call of a model panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	return do()
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

package answer

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/internal/limit"
)

// Measure makes a call and reports its outcome to a limit: refusals and timeouts mean that
// the service is at its capacity. A call that was not made because the service is down is not
// counted as a refusal.
func Measure[T any](l *limit.Limit, call func() (T, error)) (T, error) {
	done := l.Begin()
	out, err := call()
	switch {
	case err == nil:
		done(limit.Answered)
	case errors.Is(err, circuit.ErrOpen):
		done(limit.Failed)
	case fault.ClassOf(err) == fault.Overload, errors.Is(err, ErrTimeout):
		done(limit.Refused)
	default:
		done(limit.Failed)
	}
	return out, err
}

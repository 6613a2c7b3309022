package activities

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
)

// How long a class waits before the next attempt when the fault itself does not
// say, and after how many attempts it gives up. Overload and capacity never do:
// they end when the world changes, not when we lose patience.
const (
	overloadWait      = 5 * time.Second
	capacityWait      = 30 * time.Second
	TransportAttempts = 20
	unknownAttempts   = 5
)

// ErrorType is the Temporal error type of an error that nobody classified.
const ErrorType = "internal"

// Errors is the interceptor that alone turns errors into Temporal's: the class
// becomes the error's type, which workflows and people branch on, and decides
// about retries. Activities just return what the adapters say.
type Errors struct {
	interceptor.WorkerInterceptorBase
}

// InterceptActivity is called by the SDK for each activity.
func (*Errors) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &errorMapper{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

// toldError wraps a fault of which, if it is one of capacity, the workflow wants to hear:
// it waits itself, where people see it, and the server does not try again.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

// Tell has the workflow hear of a fault of capacity instead of the server trying again.
func Tell(err error) error { return &toldError{err} }

type errorMapper struct {
	interceptor.ActivityInboundInterceptorBase
}

func (m *errorMapper) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	var out any
	err := panics.Try(func() (err error) {
		out, err = m.Next.ExecuteActivity(ctx, in)
		return err
	})
	if err == nil {
		return out, nil
	}
	if p, ok := errors.AsType[*panics.Error](err); ok {
		activity.GetLogger(ctx).Error("The activity panicked", "panic", p.Error(), "stack", p.Stack)
	}
	return nil, temporalError(err, activity.GetInfo(ctx).Attempt)
}

func temporalError(err error, attempt int32) error {
	var app *temporal.ApplicationError
	if errors.As(err, &app) || errors.Is(err, context.Canceled) || temporal.IsCanceledError(err) {
		return err // already Temporal's, or a cancellation that the SDK reports itself
	}
	class := fault.ClassOf(err)
	options := temporal.ApplicationErrorOptions{NextRetryDelay: fault.RetryAfter(err)}
	name := string(class)
	switch class {
	case fault.Input, fault.Auth, fault.Budget:
		options.NonRetryable = true
	case fault.Overload:
		options.Category = temporal.ApplicationErrorCategoryBenign
		setWait(&options, overloadWait)
	case fault.Capacity:
		_, options.NonRetryable = errors.AsType[*toldError](err)
		setWait(&options, capacityWait)
	case fault.Preempted:
		setWait(&options, time.Second)
	case fault.Transport:
		options.NonRetryable = attempt >= TransportAttempts
	default:
		name = ErrorType
		options.NonRetryable = attempt >= unknownAttempts
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), name, options)
}

// setWait fills in a delay with up to a quarter of jitter, so that what failed
// together does not come back together.
func setWait(options *temporal.ApplicationErrorOptions, wait time.Duration) {
	if options.NextRetryDelay == 0 {
		options.NextRetryDelay = wait + rand.N(wait/4)
	}
}

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
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
)

// How long a class waits before the next attempt when the fault itself does not say, and
// the maximum of attempts. Overload and capacity have no maximum: they end when the cause
// is fixed.
const (
	overloadWait      = 5 * time.Second
	capacityWait      = 30 * time.Second
	TransportAttempts = 20
	unknownAttempts   = 5
)

// ErrorType is the Temporal error type of an unclassified error.
const ErrorType = "internal"

// Errors is the only interceptor that turns errors into Temporal's: the class becomes the
// error type, which workflows and people branch on and which decides about retries.
// Activities return the errors of the adapters unchanged.
type Errors struct {
	interceptor.WorkerInterceptorBase
}

// InterceptActivity is called by the SDK for each activity.
func (*Errors) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &errorMapper{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

// noCapacityRetryError wraps a fault that, if its class is capacity, the server does not
// retry: the workflow waits itself, where people see it.
type noCapacityRetryError struct{ error }

func (e *noCapacityRetryError) Unwrap() error { return e.error }

// NoCapacityRetry returns a capacity fault to the workflow at once instead of letting the
// server retry it.
func NoCapacityRetry(err error) error { return &noCapacityRetryError{err} }

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
	case fault.Input, fault.Auth:
		options.NonRetryable = true
	case fault.Budget:
		options.NonRetryable = true
		if by, ok := errors.AsType[*money.Blocked](err); ok { // which budget the run waits for
			options.Details = []any{by}
		}
	case fault.Overload:
		options.Category = temporal.ApplicationErrorCategoryBenign
		setWait(&options, overloadWait)
	case fault.Capacity:
		_, options.NonRetryable = errors.AsType[*noCapacityRetryError](err)
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

package activities

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
)

func TestClassesDecideAboutRetries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		class   fault.Class
		attempt int32
		retried bool
		waits   bool // the class itself says when
	}{
		{fault.Input, 1, false, false},
		{fault.Auth, 1, false, false},
		{fault.Budget, 1, false, false},
		{fault.Overload, 1000, true, true},
		{fault.Capacity, 1000, true, true},
		{fault.Preempted, 1000, true, true},
		{fault.Transport, TransportAttempts - 1, true, false},
		{fault.Transport, TransportAttempts, false, false},
	} {
		err := temporalError(fault.New(c.class, "do", "thing", "why"), c.attempt)
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		require.True(t, ok)
		require.Equal(t, string(c.class), app.Type())
		require.Equal(t, c.retried, !app.NonRetryable(), c.class)
		require.Equal(t, c.waits, app.NextRetryDelay() > 0, c.class)
		require.Contains(t, app.Error(), `do "thing": why`)
	}
}

func TestUnclassifiedErrorsGiveUp(t *testing.T) {
	t.Parallel()
	for attempt, retried := range map[int32]bool{1: true, unknownAttempts: false} {
		app, ok := errors.AsType[*temporal.ApplicationError](temporalError(io.ErrUnexpectedEOF, attempt))
		require.True(t, ok)
		require.Equal(t, ErrorType, app.Type())
		require.Equal(t, retried, !app.NonRetryable())
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	err := temporalError(&fault.Error{Class: fault.Overload, Op: "call", RetryAfter: 7 * time.Minute}, 1)
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok)
	require.Equal(t, 7*time.Minute, app.NextRetryDelay())
}

func TestCancellationIsNotAFailure(t *testing.T) {
	t.Parallel()
	require.Equal(t, context.Canceled, temporalError(context.Canceled, 1))
}

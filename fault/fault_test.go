package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	e := &fault.Error{Class: fault.Input, Op: "probe video", Subject: "a\nb.mp4", Reason: "it is empty", Err: io.EOF}
	require.Equal(t, `probe video "a\nb.mp4": it is empty: EOF`, e.Error(), "a name with a line break stays on one line")
	require.ErrorIs(t, e, io.EOF)
}

func TestWrap(t *testing.T) {
	t.Parallel()
	require.NoError(t, fault.Wrap(fault.Input, "read", "x", nil))
	require.Equal(t, context.Canceled, fault.Wrap(fault.Input, "read", "x", context.Canceled), "a cancellation is not a failure")
	inner := fault.New(fault.Auth, "open", "x", "no permission")
	require.Equal(t, error(inner), fault.Wrap(fault.Transport, "read", "y", inner), "the first class stands")
	require.Equal(t, fault.Transport, fault.ClassOf(fault.Wrap(fault.Transport, "read", "x", io.EOF)))
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	e := &fault.Error{Class: fault.Overload, RetryAfter: time.Minute}
	wrapped := errors.Join(fmt.Errorf("frame 3: %w", e), nil)
	require.Equal(t, fault.Overload, fault.ClassOf(wrapped))
	require.Equal(t, time.Minute, fault.RetryAfter(wrapped))
	require.Empty(t, fault.ClassOf(io.EOF))
	require.Zero(t, fault.RetryAfter(io.EOF))
}

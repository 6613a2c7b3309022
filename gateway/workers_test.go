package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// TestServerError: a Temporal server that does not answer is no fault of the gateway. A client that was
// connected reports it in other ways than one that never was.
func TestServerError(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		context.DeadlineExceeded, fmt.Errorf("ask: %w", context.DeadlineExceeded), serviceerror.NewUnavailable("down"), serviceerror.NewDeadlineExceeded("late"),
		fmt.Errorf("ask: %w", serviceerror.NewDeadlineExceeded("late")), serviceerror.NewCanceled("cut"), serviceerror.NewNamespaceNotFound("default"),
		serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "busy"),
	} {
		e := api.Of(serverError(t.Context(), err))
		require.Equal(t, []any{http.StatusServiceUnavailable, "temporal_unavailable"}, []any{e.Status, e.Code}, "%T", err)
		require.Positive(t, e.RetryAfter)
	}
	require.Equal(t, http.StatusBadRequest, api.Of(serverError(t.Context(), fault.New(fault.Input, "do", "it", "because"))).Status)
	require.Equal(t, http.StatusInternalServerError, api.Of(serverError(t.Context(), fmt.Errorf("a bug"))).Status)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, api.CodeBusy, api.Of(serverError(ended, context.Canceled)).Code)
}

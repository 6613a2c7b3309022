package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// early is a server that ends a call with a deadline before the deadline, as Temporal's does.
type early struct {
	client.Client
	client.WorkflowRun
}

func (e early) GetWorkflow(context.Context, string, string) client.WorkflowRun { return e }

func (early) Get(ctx context.Context, _ any) error {
	if _, set := ctx.Deadline(); set {
		return serviceerror.NewDeadlineExceeded("too late")
	}
	<-ctx.Done()
	return serviceerror.NewCanceled("the caller has gone")
}

// TestWaitEnds: the end of a wait for a running job is no failure of the server.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	a := &API{Temporal: early{}}
	code := func(state string) string {
		_, err := a.outcome(t.Context(), Job{State: state}, time.Millisecond)
		return api.Of(err).Code
	}
	require.Equal(t, CodeUnfinished, code(StateRunning))
	require.Equal(t, CodeNoServer, code(StateCompleted))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := a.outcome(ctx, Job{State: StateRunning}, time.Hour)
	require.ErrorIs(t, err, context.Canceled)
}

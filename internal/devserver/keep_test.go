package devserver_test

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/devserver"
)

// TestKeptServerIsStartedAgain: a server whose database is interrupted for ever is replaced, at the same address and
// with its state. One that fails in another way is not.
func TestKeptServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	var said atomic.Pointer[error]
	var asked atomic.Int32
	ask := func(ctx context.Context, s *devserver.Server) error {
		asked.Add(1)
		if err := said.Load(); err != nil {
			return *err
		}
		return devserver.Database(ctx, s)
	}
	kept, err := devserver.KeepAsking(t.Context(), devserver.Options{Binary: binary(t), Dir: t.TempDir()}, ask, 20*time.Millisecond)
	require.NoError(t, err)
	first := kept.Current()
	run, err := dial(t, first).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "library", TaskQueue: "cogflow"}, "IngestLibrary")
	require.NoError(t, err)

	slow := errors.New("context deadline exceeded")
	said.Store(&slow)
	seen := asked.Load()
	await(t, func() bool { return asked.Load() > seen+5 })
	require.Same(t, first, kept.Current(), "a slow server is left alone")

	interrupted := errors.New("GetNamespace operation failed. Error interrupted (9)") // as the server says it
	said.Store(&interrupted)
	<-first.Done()
	said.Store(nil)
	await(t, func() bool { return kept.Current() != first })
	require.Equal(t, first.Address(), kept.Address())
	require.Equal(t, first.UI(), kept.UI())
	found := described(t, kept.Current(), run)
	require.Equal(t, "IngestLibrary", found.RawResponse.GetWorkflowExecutionInfo().GetType().GetName())
	require.NoError(t, kept.Stop())
	<-kept.Done()
}

// TestKeptServerEnds: a server that ends by itself is not replaced, so whoever started it can say why.
func TestKeptServerEnds(t *testing.T) {
	t.Parallel()
	kept, err := devserver.Keep(t.Context(), devserver.Options{Binary: binary(t), Dir: t.TempDir(), Headless: true})
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(kept.Current().PID(), syscall.SIGKILL))
	<-kept.Done()
	require.Equal(t, fault.Transport, fault.ClassOf(kept.Stop()))
}

// described asks for a run. A server that was just started may answer too late.
func described(t *testing.T, s *devserver.Server, run client.WorkflowRun) (found *client.WorkflowExecutionDescription) {
	t.Helper()
	c := dial(t, s)
	await(t, func() (answered bool) {
		var err error
		found, err = c.DescribeWorkflow(t.Context(), run.GetID(), run.GetRunID())
		return err == nil
	})
	return found
}

func await(t *testing.T, reached func() bool) {
	t.Helper()
	require.Eventually(t, reached, time.Minute, 10*time.Millisecond)
}

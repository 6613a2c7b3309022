package modelserver_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/panics"
)

const patience = time.Minute

// TestRelease: a release waits for requests in progress. Those that come meanwhile wait, and start
// the server again.
func TestRelease(t *testing.T) {
	t.Parallel()
	f := newFake(t, "ok", nil)
	cut, err := f.Release("m", patience)
	require.NoError(t, err)
	require.Zero(t, cut, "it sleeps")

	inProgress := f.use()
	var group panics.Group
	group.Go(func() error {
		cut, err := f.Release("m", patience)
		require.Zero(t, cut)
		return err
	})
	f.await(modelserver.Stopping)
	group.Go(func() error {
		release, err := f.Use(t.Context(), "m", func(string) {})
		if err == nil {
			release()
		}
		return err
	})
	f.look() // which leaves it alone
	require.True(t, alive(f.pids()[0]), "a request is in progress")
	inProgress()
	require.NoError(t, group.Wait())
	require.Len(t, f.notes("start"), 2)
	require.False(t, alive(f.pids()[0]))
	require.Equal(t, modelserver.Ready, f.Status("m").State)

	// A request that does not end is cut.
	defer f.use()()
	group.Go(func() error {
		cut, err := f.Release("m", patience)
		require.Equal(t, 1, cut)
		return err
	})
	f.await(modelserver.Stopping)
	f.pass(patience)
	require.NoError(t, group.Wait())
	require.Equal(t, modelserver.Stopped, f.Status("m").State)
	require.False(t, alive(f.pids()[1]))
}

// TestReleaseWhileStarting: a start for requests is not stopped; one that nothing waits for is.
func TestReleaseWhileStarting(t *testing.T) {
	t.Parallel()
	f := newFake(t, "hang", nil)
	ctx, cancel := context.WithCancel(t.Context())
	var group panics.Group
	group.Go(func() error {
		_, err := f.Use(ctx, "m", func(string) {})
		require.ErrorIs(t, err, context.Canceled)
		return nil
	})
	f.awaitNote("start")
	f.await(modelserver.Booting)
	require.Equal(t, f.clock().Add(10*time.Minute), f.Status("m").Until)
	_, err := f.Release("m", patience)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "requests wait for it")
	cancel()
	require.NoError(t, group.Wait())
	_, err = f.Release("m", patience)
	require.NoError(t, err)
	require.Equal(t, modelserver.Stopped, f.Status("m").State)
	require.Eventually(t, func() bool { return !alive(f.pids()[0]) }, time.Minute, 5*time.Millisecond)
}

// TestUsage: the times to boot and without requests are counted, and those of requests are not.
func TestUsage(t *testing.T) {
	t.Parallel()
	f := newFake(t, "ok", nil)
	release := f.use()
	require.Equal(t, modelserver.Usage{Starts: 1}, f.Usage("m"))
	f.pass(time.Hour)
	release()
	f.pass(20 * time.Second)
	require.Equal(t, modelserver.Usage{Starts: 1, Idle: 20 * time.Second}, f.Usage("m"))
	require.Equal(t, f.clock().Add(280*time.Second), f.Status("m").Until)
	f.use()()
	f.pass(10 * time.Second)
	f.look()
	f.pass(time.Minute)
	_, err := f.Release("m", patience)
	require.NoError(t, err)
	f.pass(time.Hour)
	require.Equal(t, modelserver.Usage{Starts: 1, Idle: 90 * time.Second}, f.Usage("m"))

	g := newFake(t, "hang", nil)
	var group panics.Group
	group.Go(func() error {
		_, err := g.Use(t.Context(), "m", func(string) {})
		require.Error(t, err)
		return nil
	})
	g.await(modelserver.Booting)
	g.pass(9 * time.Minute)
	require.Equal(t, modelserver.Usage{Starts: 1, Boot: 9 * time.Minute}, g.Usage("m"), "a start in progress is counted, too")
	g.pass(time.Minute)
	require.NoError(t, group.Wait())
	require.Equal(t, modelserver.Usage{Starts: 1, Failed: 1, Boot: 10 * time.Minute}, g.Usage("m"))
}

// TestCheck: a server is used when its check passes. A transport fault is tried again, any other
// ends the start.
func TestCheck(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	f := newFake(t, "ok", func(_ *modelserver.Options, s *modelserver.Spec) {
		s.Check = func(context.Context) error {
			switch calls.Add(1) {
			case 1:
				return fault.New(fault.Transport, "check", "m", "connection refused")
			case 3:
				return fault.New(fault.Input, "check", "m", "it serves other models")
			}
			return nil
		}
	})
	f.use()()
	require.EqualValues(t, 2, calls.Load())
	_, err := f.Release("m", patience)
	require.NoError(t, err)
	_, err = f.Use(t.Context(), "m", func(string) {})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "it serves other models")
	for _, pid := range f.pids() {
		require.False(t, alive(pid))
	}
}

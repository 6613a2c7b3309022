package modelserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/panics"
)

// The tests of this file are named after complaints of users of other systems about machines that
// were paid although nobody used them, by their numbers in the list of complaints that cogflow makes
// impossible.

// withGPU is a server with the only GPU of its host.
func withGPU(t *testing.T, mode string) (*fake, *lease.Table) {
	t.Helper()
	all := lease.New([]string{"GPU-a"})
	return newFake(t, mode, func(o *modelserver.Options, s *modelserver.Spec) { o.GPUs, s.GPUs = gpus{all}, 1 }), all
}

// gone requires that no process of a server is left and that its GPU is free.
func (f *fake) gone(all *lease.Table) {
	f.t.Helper()
	for _, pid := range f.pids() {
		require.False(f.t, alive(pid))
	}
	require.Equal(f.t, 1, all.Free())
}

// TestComplaint15CancelWhileStarting: a job that was cancelled while its machine started left the
// machine behind. A server whose only request is cancelled while it starts ends when the time to
// boot is over or, if it became ready, when it was idle for long enough.
func TestComplaint15CancelWhileStarting(t *testing.T) {
	t.Parallel()
	for mode, c := range map[string]struct{ state, end modelserver.State }{
		"hang": {modelserver.Booting, modelserver.Failed}, "ok": {modelserver.Ready, modelserver.Stopped},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f, all := withGPU(t, mode)
			ctx, cancel := context.WithCancel(t.Context())
			var group panics.Group
			group.Go(func() error {
				release, err := f.Use(ctx, "m", func(string) {})
				if err == nil {
					release()
				}
				return nil
			})
			f.awaitNote("start")
			cancel()
			require.NoError(t, group.Wait())
			f.await(c.state)
			require.Zero(t, f.Status("m").Users)
			f.pass(10 * time.Minute)
			f.look()
			f.await(c.end)
			f.gone(all)
		})
	}
}

// TestComplaint16StoppedIsGone: a machine was shown as terminated and was paid on. A server is shown
// as stopped when its processes have ended, those that it started and that ignore SIGTERM included.
func TestComplaint16StoppedIsGone(t *testing.T) {
	t.Parallel()
	f, all := withGPU(t, "parent")
	f.use()()
	require.Eventually(t, func() bool { return len(f.pids()) == 2 }, time.Minute, 5*time.Millisecond)
	f.pass(5 * time.Minute)
	f.look()
	f.await(modelserver.Stopped)
	f.gone(all)
}

// TestComplaint18IdleForever: workers of a pool were idle for ever. A server that nobody asks is
// stopped, each time.
func TestComplaint18IdleForever(t *testing.T) {
	t.Parallel()
	f, all := withGPU(t, "ok")
	for range 3 {
		f.use()()
		f.pass(5*time.Minute - 1)
		f.look()
		require.Equal(t, modelserver.Ready, f.Status("m").State)
		f.pass(1)
		f.look()
		f.await(modelserver.Stopped)
		f.gone(all)
	}
}

// TestComplaint19InvalidJobHoldsNoGPU: invalid jobs held GPUs for weeks. A server that cannot start
// holds none between its attempts, and none after the last.
func TestComplaint19InvalidJobHoldsNoGPU(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"usage", "crash"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f, all := withGPU(t, mode)
			for range 3 {
				_, err := f.Use(t.Context(), "m", func(string) {})
				require.Error(t, err)
				f.gone(all)
			}
		})
	}
}

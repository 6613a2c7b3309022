package modelserver_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/panics"
)

// TestColdStart: however many ask, the server is started once; it stops when it was idle for
// long enough, and the next request starts it again.
func TestColdStart(t *testing.T) {
	t.Parallel()
	f := newFake(t, "ok", nil)
	const callers = 20
	var group panics.Group
	var mu sync.Mutex
	var releases []func()
	said := map[string]bool{}
	for range callers {
		group.Go(func() error {
			release, err := f.Use(t.Context(), "m", func(reason string) {
				mu.Lock()
				defer mu.Unlock()
				said[reason] = true
			})
			mu.Lock()
			defer mu.Unlock()
			releases = append(releases, release)
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Len(t, f.notes("start"), 1)
	require.Equal(t, modelserver.Status{Name: "m", State: modelserver.Ready, Users: callers, Since: f.clock()}, f.Status("m"))
	require.True(t, said["starting model server m, 0 s of at most 600 s"] || said["starting model server m"], "%v", said)
	require.True(t, said[""], "the wait is over")

	f.pass(time.Hour)
	f.look()
	require.Equal(t, modelserver.Ready, f.Status("m").State, "it is in use")
	for _, release := range releases {
		release()
		release()
	}
	f.pass(5*time.Minute - 1)
	f.look()
	require.Equal(t, modelserver.Ready, f.Status("m").State)
	f.pass(1)
	f.look()
	f.await(modelserver.Stopped)
	require.False(t, alive(f.pids()[0]))

	release := f.use()
	defer release()
	require.Len(t, f.notes("start"), 2)
}

// TestRestart: a server that dies is started again.
func TestRestart(t *testing.T) {
	t.Parallel()
	f := newFake(t, "ok", nil)
	release := f.use()
	require.NoError(t, syscall.Kill(f.pids()[0], syscall.SIGKILL))
	f.await(modelserver.Failed)
	require.ErrorContains(t, f.Status("m").Err, "ended by signal 9 (killed)")
	release()
	defer f.use()()
	require.Len(t, f.notes("start"), 2)
}

// TestFailedStarts: each reason has a class and a text that helps, and nothing is left.
func TestFailedStarts(t *testing.T) {
	t.Parallel()
	none := func(*modelserver.Options, *modelserver.Spec) {}
	for name, c := range map[string]struct {
		mode  string
		set   func(o *modelserver.Options, s *modelserver.Spec)
		after string // the note after which the time to boot is over
		class fault.Class
		text  string
	}{
		"wrong option": {mode: "usage", set: none, class: fault.Input, text: "it ended with status 2; its output ends with: unknown option --port"},
		"crash":        {mode: "crash", set: none, class: fault.Transport, text: "it ended with status 1; its output ends with: out of memory"},
		"not ready":    {mode: "hang", set: none, after: "start", class: fault.Transport, text: "it was not ready after 10m0s"},
		"wrong path":   {mode: "404", set: none, after: "asked", class: fault.Input, text: "404 Not Found; check the path of its readiness URL"},
		"no program": {set: func(_ *modelserver.Options, s *modelserver.Spec) {
			s.Command = []string{"no-such-program"}
		}, class: fault.Input, text: "correct the command"},
		"missing variable": {set: func(_ *modelserver.Options, s *modelserver.Spec) {
			s.Missing = fault.New(fault.Auth, "start", "m", "HF_TOKEN is not set")
		}, class: fault.Auth, text: "HF_TOKEN"},
		"port taken": {set: func(_ *modelserver.Options, s *modelserver.Spec) {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { _ = l.Close() })
			s.Ready = "http://" + l.Addr().String()
		}, class: fault.Input, text: "already taken by another program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, c.mode, c.set)
			var group panics.Group
			group.Go(func() error {
				_, err := f.Use(t.Context(), "m", func(string) {})
				return err
			})
			if c.after != "" {
				f.awaitNote(c.after)
				f.pass(10 * time.Minute)
			}
			err := group.Wait()
			require.ErrorContains(t, err, c.text)
			require.Equal(t, c.class, fault.ClassOf(err))
			require.Equal(t, modelserver.Failed, f.Status("m").State)
			for _, pid := range f.pids() {
				require.False(t, alive(pid))
			}
		})
	}
}

// TestBackoff: after a failed start the next one waits, and says why.
func TestBackoff(t *testing.T) {
	t.Parallel()
	f := newFake(t, "crash", func(o *modelserver.Options, _ *modelserver.Spec) {
		o.Backoff = func(int) time.Duration { return time.Hour }
	})
	_, err := f.Use(t.Context(), "m", func(string) {})
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = f.Use(ctx, "m", func(reason string) {
		if strings.HasPrefix(reason, "model server m failed and is started again in 1h0m0s: ") {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, f.notes("start"), 1)
	f.await(modelserver.Failed)
}

// TestClose: a manager that ends stops its servers and starts none.
func TestClose(t *testing.T) {
	t.Parallel()
	f := newFake(t, "ok", nil)
	f.use()()
	require.NoError(t, f.Close())
	require.False(t, alive(f.pids()[0]))
	_, err := f.Use(t.Context(), "m", func(string) {})
	require.Equal(t, fault.Preempted, fault.ClassOf(err))
}

// TestComplaint17KilledWorker: what controls machines was down, and an idle one was paid on. Neither a
// server nor its own processes outlive a worker that is killed, although one of them ignores
// SIGTERM. A worker that lives asks no other program when it stops an idle server.
func TestComplaint17KilledWorker(t *testing.T) {
	t.Parallel()
	f := newFake(t, "", nil) // its manager starts nothing
	worker := exec.CommandContext(t.Context(), os.Args[0], "work", f.port, f.file)
	out, err := worker.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, worker.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(f.pids()) == 2 }, time.Minute, 5*time.Millisecond)
	require.NoError(t, worker.Process.Kill())
	require.Error(t, worker.Wait())
	for _, pid := range f.pids() {
		require.Eventually(t, func() bool { return !alive(pid) }, time.Minute, 5*time.Millisecond)
	}
}

package modelserver_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/modelserver"
)

// gpus adapts a lease table, as workers do.
type gpus struct{ *lease.Table }

func (g gpus) Lease(ctx context.Context, ask lease.Ask) (lease.Lease, func(), error) {
	return g.Take(ctx, ask)
}

func (g gpus) Wanted(devices string) (bool, error) {
	return g.Table.Wanted(lease.Lease{Devices: devices})
}

// TestTrainingTakesTheGPU: a training run in another process gets the GPU of an idle server at
// once, and waits for a busy one. The next request waits for the training run.
func TestTrainingTakesTheGPU(t *testing.T) {
	t.Parallel()
	device := "GPU-test-" + rand.Text()
	t.Cleanup(func() {
		for _, dir := range []string{"/run/lock", "/tmp"} {
			files, err := filepath.Glob(filepath.Join(dir, "cogflow-gpus", device+".*"))
			require.NoError(t, err)
			for _, file := range files {
				require.NoError(t, os.Remove(file))
			}
		}
	})
	all := table(device)
	f := newFake(t, "ok", func(o *modelserver.Options, s *modelserver.Spec) { o.GPUs, s.GPUs = gpus{all}, 1 })
	release := f.use()
	require.Contains(t, f.notes("start")[0], device)

	cmd := exec.CommandContext(t.Context(), os.Args[0], "train", device)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		wanted, err := all.Wanted(lease.Lease{Devices: device})
		return err == nil && wanted
	}, time.Minute, 5*time.Millisecond)
	f.look()
	require.Equal(t, modelserver.Ready, f.Status("m").State, "it is busy")
	release()
	f.look()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	f.await(modelserver.Stopped)

	waits := make(chan struct{})
	told := sync.OnceFunc(func() { close(waits) })
	done := make(chan error, 1)
	go func() {
		release, err := f.Use(t.Context(), "m", func(reason string) {
			if strings.HasPrefix(reason, "model server m waits for 1 free GPU") {
				told()
			}
		})
		if err == nil {
			release()
		}
		done <- err
	}()
	<-waits
	_, err = io.WriteString(in, "x")
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.NoError(t, <-done)
	require.Len(t, f.notes("start"), 2)
}

// TestSetAside: a GPU on which a server failed twice is set aside, if there is another.
func TestSetAside(t *testing.T) {
	t.Parallel()
	all := lease.New([]string{"GPU-a", "GPU-b"})
	f := newFake(t, "on-b", func(o *modelserver.Options, s *modelserver.Spec) { o.GPUs, s.GPUs = gpus{all}, 1 })
	for range 2 {
		_, err := f.Use(t.Context(), "m", func(string) {})
		require.ErrorContains(t, err, "it ended with status 1")
	}
	require.Equal(t, 2, all.Free())
	f.use()()
	require.Contains(t, f.notes("start")[2], "GPU-b")

	// After a while it is tried again.
	f.pass(10 * time.Minute)
	f.look()
	f.await(modelserver.Stopped)
	_, err := f.Use(t.Context(), "m", func(string) {})
	require.ErrorContains(t, err, "it ended with status 1")
	require.Contains(t, f.notes("start")[3], "GPU-a")
}

// TestOneServerOfTwoWorkers: a server serves all worker processes of a host. Its owner keeps it
// while another one uses it, and another one starts it when its owner has ended.
func TestOneServerOfTwoWorkers(t *testing.T) {
	t.Parallel()
	shared := &locks{holders: map[string]bool{}, wants: map[string]int{}}
	owner := newFake(t, "ok", func(o *modelserver.Options, _ *modelserver.Spec) { o.Locks = shared })
	other := &fake{t: t, file: owner.file, ticks: make(chan time.Time), now: time.Unix(0, 0)}
	o := owner.o
	o.Ticks, o.Now = other.ticks, other.clock
	other.Manager = modelserver.New(o)
	t.Cleanup(func() { require.NoError(t, other.Close()) })

	owner.use()()
	release := other.use()
	require.Equal(t, "of another worker process", other.Status("m").Detail)
	owner.pass(time.Hour)
	owner.look()
	require.Equal(t, modelserver.Ready, owner.Status("m").State, "another process uses it")
	release()
	other.look()
	require.Equal(t, modelserver.Stopped, other.Status("m").State)
	owner.pass(time.Hour)
	owner.look()
	owner.await(modelserver.Stopped)

	owner.use()()
	release = other.use()
	release()
	require.Len(t, owner.notes("start"), 2)
	require.NoError(t, owner.Close())
	defer other.use()()
	require.Len(t, owner.notes("start"), 3)
	require.Empty(t, other.Status("m").Detail, "it is its own now")
}

// TestBorrowedServer: a process that starts no servers lets another one start it, keeps it while it
// uses it, and asks again when its owner has ended. It does not trust a program at the port that is
// not a server of this host's workers.
func TestBorrowedServer(t *testing.T) {
	t.Parallel()
	shared := &locks{holders: map[string]bool{}, wants: map[string]int{}}
	owner := newFake(t, "ok", func(o *modelserver.Options, _ *modelserver.Spec) { o.Locks = shared })
	asked := 0
	var refused error
	other := &fake{t: t, file: owner.file, ticks: make(chan time.Time), now: time.Unix(0, 0)}
	o := owner.o
	o.Ticks, o.Now = other.ticks, other.clock
	o.Ask = func(ctx context.Context, name string) error {
		asked++
		if refused != nil {
			return refused
		}
		release, err := owner.Use(ctx, name, func(string) {})
		if err == nil {
			release()
		}
		return err
	}
	other.Manager = modelserver.New(o)
	t.Cleanup(func() { require.NoError(t, other.Close()) })

	release := other.use()
	require.Equal(t, 1, asked)
	owner.pass(time.Hour)
	owner.look()
	require.Equal(t, modelserver.Ready, owner.Status("m").State, "another process uses it")
	release()
	other.use()()
	require.Equal(t, 1, asked, "it runs")
	other.look()
	owner.pass(time.Hour)
	owner.look()
	owner.await(modelserver.Stopped)

	refused = errors.New("no worker of this host has it")
	foreign, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+owner.port)
	require.NoError(t, err)
	t.Cleanup(func() { _ = foreign.Close() })
	_, err = other.Use(t.Context(), "m", func(string) {})
	require.ErrorIs(t, err, refused)
	for name := range shared.wants {
		wanted, err := shared.Wanted(name)
		require.NoError(t, err)
		require.False(t, wanted, name)
	}
	require.Len(t, owner.notes("start"), 1)
}

// locks are shared by managers, as those of a host are by processes.
type locks struct {
	mu      sync.Mutex
	holders map[string]bool
	wants   map[string]int
}

func (l *locks) Try(name string) (func(), bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holders[name] {
		return nil, false, nil
	}
	l.holders[name] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.holders, name)
	}, true, nil
}

func (l *locks) Want(name string) (func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wants[name]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wants[name]--
	}, nil
}

func (l *locks) Wanted(name string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wants[name] > 0, nil
}

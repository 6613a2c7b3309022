package modelserver_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/child/childtest"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/internal/porttest"
)

// The program of the tests is also the server, the worker that is killed, and a training run.
func TestMain(m *testing.M) {
	if code, asked := modelserver.Keep(os.Args[1:]); asked {
		os.Exit(code)
	}
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "serve":
			os.Exit(serve(os.Args[2], os.Args[3], os.Args[4]))
		case "work":
			work(os.Args[2], os.Args[3])
		case "train":
			train(os.Args[2])
		}
	}
	m.Run()
}

// serve is a model server that notes what happens in a file.
func serve(mode, port, file string) int {
	note := func(text string) {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintln(f, text)
		}
		if err != nil {
			panic(err)
		}
		_ = f.Close()
	}
	note(fmt.Sprintf("start %d %s", os.Getpid(), os.Getenv("CUDA_VISIBLE_DEVICES")))
	status := http.StatusOK
	switch mode {
	case "usage":
		fmt.Fprintln(os.Stderr, "unknown option --port")
		return 2
	case "crash":
		fmt.Fprintln(os.Stderr, "out of memory")
		return 1
	case "on-b":
		if os.Getenv("CUDA_VISIBLE_DEVICES") != "GPU-b" {
			return 1
		}
	case "hang":
		signal.Ignore(syscall.SIGTERM)
		select {}
	case "404":
		status = http.StatusNotFound
	case "parent": // a process of its own, as vLLM has
		child := exec.Command(os.Args[0], "serve", "hang", port, file) //nolint:noctx // it is to outlive its parent, if nobody ends it
		if err := child.Start(); err != nil {
			panic(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+port) //nolint:noctx // it resolves no name
	if err != nil {
		panic(err)
	}
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:gosec // of a test
		note("asked")
		w.WriteHeader(status)
	}))
	panic(err)
}

// fake is a server and its manager.
type fake struct {
	*modelserver.Manager
	t     *testing.T
	file  string
	port  string
	ticks chan time.Time
	mu    sync.Mutex
	now   time.Time
	o     modelserver.Options
}

func newFake(t *testing.T, mode string, set func(o *modelserver.Options, s *modelserver.Spec)) *fake {
	t.Helper()
	dir := t.TempDir()
	f := &fake{t: t, file: filepath.Join(dir, "notes"), port: porttest.Free(t), ticks: make(chan time.Time), now: time.Unix(0, 0)}
	s := spec(mode, f.port, f.file)
	f.o = modelserver.Options{
		Locks: lease.Locks{}, Logs: filepath.Join(dir, "logs"), Keeper: []string{os.Args[0]}, Ticks: f.ticks, Now: f.clock,
		Grace: 50 * time.Millisecond, Backoff: func(int) time.Duration { return 0 },
	}
	if set != nil {
		set(&f.o, &s)
	}
	f.o.Servers = map[string]modelserver.Spec{"m": s}
	f.Manager = modelserver.New(f.o)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func spec(mode, port, file string) modelserver.Spec {
	return modelserver.Spec{
		Command: []string{os.Args[0], "serve", mode, port, file}, Env: []string{"PATH=" + os.Getenv("PATH")}, Ready: "http://127.0.0.1:" + port + "/health",
		Scaledown: 5 * time.Minute, BootTimeout: 10 * time.Minute,
	}
}

func (f *fake) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fake) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// look lets the manager look for idle servers; when it returns, it has looked.
func (f *fake) look() {
	f.ticks <- time.Time{}
	f.ticks <- time.Time{} // received after the first
}

func (f *fake) use() func() {
	f.t.Helper()
	release, err := f.Use(f.t.Context(), "m", func(string) {})
	require.NoError(f.t, err)
	return release
}

// notes are the lines that the servers wrote and that begin with a text.
func (f *fake) notes(prefix string) (out []string) {
	text, err := os.ReadFile(f.file)
	if !os.IsNotExist(err) {
		require.NoError(f.t, err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, prefix) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func (f *fake) awaitNote(prefix string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return len(f.notes(prefix)) > 0 }, time.Minute, 5*time.Millisecond)
}

func (f *fake) await(state modelserver.State) {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return f.Status("m").State == state }, time.Minute, 5*time.Millisecond)
}

// pids are the processes of all starts.
func (f *fake) pids() (out []int) {
	for _, line := range f.notes("start") {
		pid, err := strconv.Atoi(strings.Fields(line)[1])
		require.NoError(f.t, err)
		out = append(out, pid)
	}
	return out
}

// alive reports whether a process runs.
func alive(pid int) bool { return !childtest.Ended(pid) }

// work is a worker that uses a server until it is killed.
func work(port, file string) {
	m := modelserver.New(modelserver.Options{
		Locks: lease.Locks{}, Logs: filepath.Dir(file), Keeper: []string{os.Args[0]}, Grace: 50 * time.Millisecond,
		Servers: map[string]modelserver.Spec{"m": spec("parent", port, file)},
	})
	if _, err := m.Use(context.Background(), "m", func(string) {}); err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintln(os.Stdout, "used")
	select {}
}

// train leases a GPU, and holds it until standard input ends.
func train(device string) {
	_, release, err := table(device).Lease(context.Background(), 1)
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintln(os.Stdout, "held")
	_, _ = os.Stdin.Read(make([]byte, 1))
	release()
	os.Exit(0)
}

func table(device string) *lease.Table {
	t, err := lease.OfHost(context.Background(), gpu.NewHost(gpu.None{}, nil), []string{device}, "l40s", "train-l40s")
	if err != nil {
		panic(err)
	}
	return t
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/devserver/devservertest"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/internal/porttest"
	"github.com/cogniverse/cogflow/workflows"
)

// asWorker is the environment variable that makes the test binary run as the worker. Tests use
// it to start, drain and kill real worker processes, which include the race detector.
const asWorker = "COGFLOW_TEST_AS_WORKER"

func TestMain(m *testing.M) {
	if code, asked := modelserver.Keep(os.Args[1:]); asked {
		os.Exit(code)
	}
	if os.Getenv(asWorker) == "" {
		dir, err := os.MkdirTemp("", "cogflow-tests-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		sharedDir = dir
		code := m.Run()
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}
	spread = 4 * time.Second
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitCode(err))
	}
}

// sharedDir holds files that are made once for all tests; TestMain removes it.
var sharedDir string

// builtCLI is the path of the command line, built once for all tests.
var builtCLI = sync.OnceValues(func() (string, error) {
	program := filepath.Join(sharedDir, "cogflow")
	if out, err := exec.Command("go", "build", "-o", program, "../starter").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cogflow: %w: %s", err, out)
	}
	return program, nil
})

// withText lets a worker read the text in frames, if tesseract is installed. Most tests do
// without: it takes seconds of CPU for each frame under load.
const withText = "COGFLOW_TESSERACT="

// stack is a Temporal server, a state directory and worker processes.
type stack struct {
	t       testing.TB
	dir     string
	options devserver.Options
	server  *devserver.Kept
	client  client.Client
	env     []string

	program string              // binary of worker processes: this test binary
	user    *syscall.Credential // nil = the user of the tests; see dropRoot
}

// soon is how long a test waits for what must happen. It bounds nothing that is promised: an idle machine needs seconds.
const soon = 5 * time.Minute

func newStack(t testing.TB, dynamic map[string]string) *stack {
	t.Helper()
	binary, err := devserver.Find("../bin")
	require.NoError(t, err)
	s := &stack{t: t, dir: t.TempDir(), program: os.Args[0]}
	s.options = devserver.Options{
		Binary: binary, Dir: filepath.Join(s.dir, "temporal"), Port: atoi(t, porttest.Free(t)), Headless: true, Dynamic: dynamic,
	}
	s.start()
	t.Cleanup(func() { _ = s.server.Stop() })
	s.client = devservertest.Dial(t, client.Options{HostPort: s.server.Address()})
	return s
}

// start starts the server; later starts use the same database file and port.
func (s *stack) start() {
	s.t.Helper()
	server, err := devserver.Keep(s.t.Context(), s.options)
	require.NoError(s.t, err)
	s.server = server
}

// killServer kills the server; start starts it again with the same state.
func (s *stack) killServer() {
	s.t.Helper()
	require.NoError(s.t, s.server.Kill())
}

// workerProcess is a worker in a process of its own.
type workerProcess struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan error
}

// worker starts a worker process with the given flags and extra environment.
func (s *stack) worker(args []string, env ...string) *workerProcess {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "worker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(s.t, err)
	cmd := exec.Command(s.program, append([]string{"--gpu", "none"}, args...)...) //nolint:noctx // the test stops it explicitly
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(),
		asWorker+"=1", "HOME="+s.dir, "TEMPORAL_ADDRESS="+s.server.Address(), "COGNIVERSE_CONFIG=",
		"COGFLOW_STORE=file://"+filepath.Join(s.dir, "store"), "COGFLOW_INDEX="+filepath.Join(s.dir, "index.db"),
		"COGFLOW_LEDGER="+filepath.Join(s.dir, "ledger.db"), "COGFLOW_SCRATCH="+filepath.Join(s.dir, "tmp"), "COGFLOW_TESSERACT=none")
	cmd.Env = append(append(cmd.Env, s.env...), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = child.Attributes(syscall.SIGTERM) // the worker ends if the test is killed
	cmd.SysProcAttr.Credential = s.user
	w := &workerProcess{t: s.t, cmd: cmd, done: make(chan error, 1)}
	started := make(chan error)
	go func() {
		w.done <- child.OnOneThread(func() error {
			err := cmd.Start()
			started <- err
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
		_ = log.Close()
	}()
	require.NoError(s.t, <-started)
	s.t.Cleanup(func() { w.kill() })
	s.t.Cleanup(func() {
		if s.t.Failed() {
			if out, err := os.ReadFile(filepath.Join(s.dir, "worker.log")); err == nil {
				s.t.Logf("worker log:\n%s", tail(out, 6000))
			}
		}
	})
	return w
}

// awaitPollers waits until n workers poll a queue: for workflow tasks of the queue cogflow,
// for activities of other queues. A worker starts to poll shortly after its start.
func (s *stack) awaitPollers(queue string, n int) {
	s.t.Helper()
	kind := enums.TASK_QUEUE_TYPE_ACTIVITY
	if queue == workflows.QueueMain {
		kind = enums.TASK_QUEUE_TYPE_WORKFLOW
	}
	require.Eventually(s.t, func() bool {
		d, err := s.client.WorkflowService().DescribeTaskQueue(s.t.Context(), &workflowservice.DescribeTaskQueueRequest{
			Namespace: "default", TaskQueue: &taskqueue.TaskQueue{Name: queue}, TaskQueueType: kind,
		})
		return err == nil && len(d.GetPollers()) >= n
	}, soon, 20*time.Millisecond, "too few workers poll the queue")
}

// kill kills the worker and waits until it has ended.
func (w *workerProcess) kill() {
	w.signal(syscall.SIGKILL)
}

// drain stops the worker with SIGTERM and waits until it has ended.
func (w *workerProcess) drain() {
	w.signal(syscall.SIGTERM)
}

func (w *workerProcess) signal(s syscall.Signal) {
	_ = w.cmd.Process.Signal(s)
	select {
	case err := <-w.done:
		w.done <- err
	case <-time.After(60 * time.Second):
		w.t.Error("the worker did not end")
	}
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// Package clitest runs the command line in tests: against a real Temporal server on which
// fakes replace the workflows, and against golden files. It imports no feature: the tests of
// a feature import this package, and pass the program to it.
package clitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/devserver/devservertest"
	"github.com/cogniverse/cogflow/internal/porttest"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/workflows"
)

// Bench runs the program against a real server. Fakes replace the workflows, so that a test
// covers only the command line.
type Bench struct {
	t       *testing.T
	address string
	Dir     string
	Client  client.Client
	WorkDir string            // working directory of the commands; empty = no search for .cogflow
	Env     map[string]string // more variables
	program Main
	patient time.Duration    // see cli.Process
	server  **devserver.Kept // Outage replaces it
	options devserver.Options
}

// Main is the program under test.
type Main func(ctx context.Context, p cli.Process) (code int)

// nowhere is an address at which no server listens. Without it, a command would use the server
// that happens to run at the default address.
const nowhere = "127.0.0.1:1"

// Offline makes a bench without a server.
func Offline(t *testing.T, p Main) *Bench {
	t.Helper()
	return &Bench{t: t, address: nowhere, Dir: t.TempDir(), program: p}
}

// New makes a bench with a server of its own.
func New(t *testing.T, p Main) *Bench {
	t.Helper()
	binary, err := devserver.Find("../../../bin")
	require.NoError(t, err)
	dir := t.TempDir()
	port, err := strconv.Atoi(porttest.Free(t)) // after an outage the server has it again
	require.NoError(t, err)
	options := devserver.Options{Binary: binary, Dir: filepath.Join(dir, "temporal"), Port: port, Headless: true}
	server, err := devserver.Keep(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	c := devservertest.Dial(t, client.Options{HostPort: server.Address()})
	require.NoError(t, devserver.Register(t.Context(), c, client.DefaultNamespace))
	return &Bench{t: t, address: server.Address(), Dir: dir, Client: c, program: p, patient: time.Minute, server: &server, options: options}
}

// Outage kills the server, waits for until, and starts the server again with its state, at the
// same address.
func (b *Bench) Outage(until func() bool) {
	b.t.Helper()
	require.NoError(b.t, (*b.server).Kill())
	require.Eventually(b.t, until, time.Minute, 50*time.Millisecond)
	var err error
	*b.server, err = devserver.Keep(b.t.Context(), b.options)
	require.NoError(b.t, err)
}

// Address returns the address of the server.
func (b *Bench) Address() string { return b.address }

// LedgerFile is the ledger that the program uses. It does not exist until a test makes it.
func (b *Bench) LedgerFile() string { return filepath.Join(b.Dir, "ledger.db") }

func (b *Bench) getenv(name string) string {
	if v, ok := b.Env[name]; ok {
		return v
	}
	return map[string]string{
		"TEMPORAL_ADDRESS": b.address,
		"COGFLOW_STORE":    "file://" + filepath.Join(b.Dir, "store"),
		"COGFLOW_LEDGER":   b.LedgerFile(),
	}[name]
}

// Step runs a subtest. Subtests share a server and depend on earlier ones.
func (b *Bench) Step(name string, test func(t *testing.T, b *Bench)) {
	b.t.Run(name, func(t *testing.T) {
		one := *b
		one.t = t
		test(t, &one)
	})
}

// Begun returns the first event of a run; an empty runID means the newest run.
func (b *Bench) Begun(id, runID string) *historypb.WorkflowExecutionStartedEventAttributes {
	b.t.Helper()
	events := b.Client.GetWorkflowHistory(b.t.Context(), id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	require.True(b.t, events.HasNext())
	first, err := events.Next()
	require.NoError(b.t, err)
	return first.GetWorkflowExecutionStartedEventAttributes()
}

// Store opens the object store that the program uses.
func (b *Bench) Store() blob.Store {
	b.t.Helper()
	store, err := (&cli.App{Process: cli.Process{Getenv: b.getenv}}).Store(b.t.Context())
	require.NoError(b.t, err)
	return store
}

// Output collects the output of a command and can be read while the command runs.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Run runs one command until it ends.
func (b *Bench) Run(args ...string) (code int, out, err string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	var o, e Output
	code = b.program(ctx, b.process(args, &o, &e))
	return code, o.String(), e.String()
}

func (b *Bench) process(args []string, out, err *Output) cli.Process {
	return cli.Process{Args: args, Dir: b.WorkDir, Getenv: b.getenv, In: strings.NewReader(""), Out: out, Err: err, Patience: b.patient}
}

// Until runs a command until its output is as required, and returns that output. The lists of the server are late, and a
// command leaves out what is not answered in time.
func (b *Bench) Until(required func(out string) bool, args ...string) (out string) {
	b.t.Helper()
	var last string
	if !assert.Eventually(b.t, func() bool {
		code, text, errors := b.Run(args...)
		out, last = text, fmt.Sprintf("exit status %d\n%s%s", code, text, errors)
		return required(text)
	}, time.Minute, 50*time.Millisecond, "%v", args) {
		require.Fail(b.t, "the last output", last)
	}
	return out
}

// UntilPrints is Until for an output that has all these texts.
func (b *Bench) UntilPrints(args []string, texts ...string) (out string) {
	b.t.Helper()
	return b.Until(func(out string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(out, text) })
	}, args...)
}

// Interrupt runs one command until it prints a text on stderr, then interrupts it as Ctrl-C does.
func (b *Bench) Interrupt(on string, args ...string) (code int, err string) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	var e Output
	ended := make(chan int, 1)
	go func() {
		ended <- b.program(ctx, b.process(args, &Output{}, &e))
	}()
	require.Eventually(b.t, func() bool { return strings.Contains(e.String(), on) }, time.Minute, 10*time.Millisecond)
	cancel()
	return <-ended, e.String()
}

// Decode parses out, which must be exactly one JSON document.
func Decode[T any](t *testing.T, out string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(out), &v), out)
	return v
}

// Serve starts a worker with the fakes.
func (b *Bench) Serve() {
	b.t.Helper()
	w := worker.New(b.Client, workflows.QueueMain, worker.Options{MaxHeartbeatThrottleInterval: 50 * time.Millisecond}) // so that a cancellation arrives soon
	for _, fakes := range []map[string]any{trainStandIns(), optimizeStandIns()} {
		for name, fake := range fakes {
			w.RegisterWorkflowWithOptions(fake, workflow.RegisterOptions{Name: name})
		}
	}
	w.RegisterActivityWithOptions(standInTraining, activity.RegisterOptions{Name: "RunTraining"})
	for name, fake := range map[string]any{
		"IngestLibrary": standInLibrary, "IngestVideo": standInVideo, "SearchVideos": standInSearch, "ListVideos": standInList,
		"DeleteVideo": standInDelete, "CheckHealth": standInHealth,
	} {
		w.RegisterWorkflowWithOptions(fake, workflow.RegisterOptions{Name: name})
	}
	require.NoError(b.t, w.Start())
	b.t.Cleanup(w.Stop)
	require.Eventually(b.t, func() bool { // it polls and is listed some time after its start
		queue, err := b.Client.DescribeTaskQueue(b.t.Context(), workflows.QueueMain, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil || len(queue.GetPollers()) == 0 {
			return false
		}
		listed, _, err := workerlist.List(b.t.Context(), b.Client, client.DefaultNamespace)
		return err == nil && len(listed) > 0
	}, 2*time.Minute, 10*time.Millisecond) // a heartbeat that is lost is repeated after one
}

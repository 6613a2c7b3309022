package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/internal/porttest"
)

// victim is a server in a process of its own, which is killed and started again.
type victim struct {
	name  string
	kills int
	said  int // how often it had said that it is ready, when it was started last

	t       testing.TB
	program string
	args    []string
	env     []string
	log     string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// start starts the process.
func (v *victim) start() {
	v.t.Helper()
	log, err := os.OpenFile(v.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(v.t, err)
	cmd := exec.Command(v.program, v.args...) //nolint:gosec,noctx // a program of the test, which kills it
	cmd.Dir, cmd.Env, cmd.Stderr = filepath.Dir(v.log), append(os.Environ(), v.env...), log
	cmd.SysProcAttr = child.Attributes(syscall.SIGTERM)
	started, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		_ = child.OnOneThread(func() error { // its status is that of a signal
			err := cmd.Start()
			started <- err
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
		_ = log.Close() // written by the child
	}()
	require.NoError(v.t, <-started)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cmd, v.done = cmd, done
}

// end sends a signal and waits for the end of the process.
func (v *victim) end(s syscall.Signal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cmd == nil {
		return
	}
	_ = v.cmd.Process.Signal(s) // it may have ended
	select {
	case <-v.done:
	case <-time.After(time.Minute):
		_ = v.cmd.Process.Kill()
		v.t.Errorf("%s does not end", v.name)
	}
	v.cmd = nil
}

// kill kills the process and starts it again at once.
func (v *victim) kill() {
	v.end(syscall.SIGKILL)
	v.kills++
	v.said = v.ready()
	v.start()
}

// ready is how often the process has said that it is ready.
func (v *victim) ready() int {
	data, _ := os.ReadFile(v.log) // it comes with the process
	return bytes.Count(data, []byte(`"ready"`))
}

// buildWorker builds the worker once for all tests. TestMain removes the folder.
var buildWorker = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cogflow-gateway-tests-")
	if err != nil {
		return "", err
	}
	programs = dir
	worker := filepath.Join(dir, "cogflow-worker")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", worker, "../workers").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the worker: %w: %s", err, out)
	}
	return worker, nil
})

// programs is the folder of buildWorker; "" = there is none.
var programs string

func builtWorker(t *testing.T) string {
	t.Helper()
	worker, err := buildWorker()
	require.NoError(t, err)
	return worker
}

// killStack is all processes of an installation.
type killStack struct {
	t         *testing.T
	dir       string
	store     string
	storeEnv  []string
	temporal  string
	client    client.Client
	addresses []string // of the gateways
	gateways  []*victim
	worker    *victim
	model     *victim
}

func newKillStack(t *testing.T, fullSize bool) *killStack {
	t.Helper()
	s := &killStack{t: t, dir: t.TempDir()}
	if s.store = "file://" + s.dir + "/store"; fullSize {
		s.store, s.storeEnv = s3test.Start(t)
	}
	server := ownTemporal(t)
	s.temporal, s.client = server.Address(), clientOf(t, server)
	worker := builtWorker(t)
	model := "127.0.0.1:" + porttest.Free(t)
	s.model = s.victim("model", os.Args[0], roleOf+"=scripted", scriptedAddress+"="+model, scriptedBill+"="+s.bill())
	for i := range 2 {
		address := "127.0.0.1:" + porttest.Free(t)
		s.addresses = append(s.addresses, address)
		s.gateways = append(s.gateways, s.victim(fmt.Sprintf("gateway-%d", i), os.Args[0], roleOf+"=gateway",
			"COGNIVERSE_CONFIG="+s.config(fmt.Sprintf("gateway-%d", i), address, model)))
	}
	s.worker = s.victim("worker", worker, "COGNIVERSE_CONFIG="+s.config("worker", "127.0.0.1:0", model), "COGFLOW_TESSERACT=none")
	s.worker.args = []string{"--gpu", "none"}
	for _, v := range append(s.gateways, s.worker, s.model) {
		v.start()
		t.Cleanup(func() {
			v.end(syscall.SIGTERM)
			if data, err := os.ReadFile(v.log); t.Failed() && err == nil {
				t.Logf("%s: %s", v.name, data[max(0, len(data)-3000):])
			}
		})
	}
	for _, v := range append(s.gateways, s.model) {
		require.Eventually(t, func() bool { return v.ready() > 0 }, time.Minute, 10*time.Millisecond, v.name)
	}
	return s
}

func (s *killStack) bill() string { return filepath.Join(s.dir, "bill.jsonl") }

func (s *killStack) ledger() string { return filepath.Join(s.dir, "ledger.db") }

func (s *killStack) victim(name, program string, env ...string) *victim {
	env = append(append(env, "TEMPORAL_ADDRESS="+s.temporal, "HOME="+s.dir), s.storeEnv...)
	return &victim{t: s.t, name: name, program: program, env: env, log: filepath.Join(s.dir, name+".log")}
}

// config writes the configuration of a process.
func (s *killStack) config(name, address, model string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, name+".json")
	require.NoError(s.t, os.WriteFile(file, fmt.Appendf(nil, `{"cogflow":{
		"ledger":%q,"store":%q,"index":"%[3]s/index.db","scratch":"%[3]s/scratch","telemetry":"off","active_profile":"kills",
		"gateway":{"queue_seconds":10,"listeners":{"main":{"address":%[4]q,"tenant":"acme"}}},
		"endpoints":{"a":{"kind":"openai","url":"http://%[5]s/v1","models":["m"],"input_usd_per_mtok":1,"output_usd_per_mtok":2,"max_in_flight":%[6]d}},
		"profiles":{"kills":{"sampling":{"strategy":"fps","fps":1},"describe":{"model":"m"}}}}}`,
		s.ledger(), s.store, s.dir, address, model, killInFlight), 0o600))
	return file
}

// killInFlight is the number of concurrent calls of the model server, for each process.
const killInFlight = 8

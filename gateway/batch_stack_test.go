package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/devserver"
)

// gated is a model server whose answers a test can hold back.
type gated struct {
	*backend
	asked chan struct{} // one for each request

	mu   sync.Mutex
	held chan struct{} // nil = answers are not held back
}

func gates(t *testing.T) *gated {
	t.Helper()
	m := &gated{asked: make(chan struct{}, 1000)}
	m.backend = serves(t, func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		held := m.held
		m.mu.Unlock()
		m.asked <- struct{}{}
		if held != nil {
			select {
			case <-held:
			case <-r.Context().Done():
				return
			}
		}
		text(http.StatusOK, "application/json", answered)(w, r)
	})
	return m
}

// hold holds back all answers until release is called.
func (m *gated) hold(t *testing.T) (release func()) {
	t.Helper()
	for len(m.asked) > 0 {
		<-m.asked
	}
	held := make(chan struct{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = held
	release = sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.held = nil
		close(held)
	})
	t.Cleanup(release)
	return release
}

// await waits for a number of requests.
func (m *gated) await(t *testing.T, requests int) {
	t.Helper()
	for range requests {
		select {
		case <-m.asked:
		case <-time.After(time.Minute):
			t.Fatal("the model server was not asked")
		}
	}
}

// batchStack is a gateway and its worker, which describes frames.
type batchStack struct {
	*gateway
	temporal *devserver.Kept
	worker   *victim
	model    *gated
}

// batchInFlight is the number of concurrent calls of the model server.
const batchInFlight = 2

// batchListeners are those of callers of several kinds: one that knows no header, one that names the
// model, and one that knows no failures.
const batchListeners = `"gateway":{"listeners":{"main":{"address":"127.0.0.1:0","tenant":"acme","model":"m"},"open":{"address":"localhost:0","tenant":"acme"},
	"old":{"address":"127.0.0.2:0","tenant":"acme","model":"m","errors_as_200":true}}}`

func newBatchStack(t *testing.T) *batchStack {
	t.Helper()
	model := gates(t)
	s := startBatchStack(t, batchListeners+`,"endpoints":{`+endpoint(model.backend, "a", `,"max_in_flight":2`)+`}`)
	s.model = model
	return s
}

// startBatchStack starts a gateway with a configuration, and a worker beside it.
func startBatchStack(t *testing.T, config string) *batchStack {
	t.Helper()
	s := &batchStack{}
	s.temporal = ownTemporal(t)
	s.gateway = startGateway(t, config, "TEMPORAL_ADDRESS", s.temporal.Address())
	s.worker = s.process(t, "worker", builtWorker(t))
	s.worker.args = []string{"--gpu", "none", "--pools", "cogflow,describe"}
	s.worker.start()
	return s
}

// process is another process with the configuration of the gateway.
func (s *batchStack) process(t *testing.T, name, program string, env ...string) *victim {
	t.Helper()
	v := &victim{t: t, name: name, program: program, log: filepath.Join(s.dir, name+".log"), env: append(env,
		"COGNIVERSE_CONFIG="+filepath.Join(s.dir, "config.json"), "TEMPORAL_ADDRESS="+s.temporal.Address(), "HOME="+s.dir,
		"COGFLOW_TESSERACT=none", "COGFLOW_TELEMETRY=off", "COGFLOW_INDEX="+s.dir+"/index.db", "COGFLOW_SCRATCH="+s.dir+"/scratch")}
	t.Cleanup(func() { v.end(syscall.SIGTERM) })
	return v
}

// toldBatch is an answer in one piece.
type toldBatch struct {
	status int
	header http.Header
	body   string
	err    error
}

// send sends a request to a listener of a gateway. Headers are name and value in turn.
func send(t *testing.T, method, url, body string, headers ...string) (got toldBatch) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return toldBatch{err: err}
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	return toldBatch{a.StatusCode, a.Header, string(data), err}
}

// sends sends a request, and returns where its answer comes.
func sends(t *testing.T, url, body string) <-chan toldBatch {
	t.Helper()
	out := make(chan toldBatch, 1)
	go func() { out <- send(t, http.MethodPost, url, body) }()
	return out
}

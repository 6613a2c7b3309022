package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/internal/porttest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workers/ondemand"
	"github.com/cogniverse/cogflow/workflows"
)

// The program of the tests is also the keeper of a model server, the model server, and the processes of
// a benchmark.
func TestMain(m *testing.M) {
	if inRole() {
		return
	}
	if code, asked := modelserver.Keep(os.Args[1:]); asked {
		os.Exit(code)
	}
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		serveModel(os.Args[2])
	}
	code := m.Run()
	if err := stopTemporal(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

// serveModel is a model server that is ready once the file beside its program's log exists, and
// answers in half a second.
func serveModel(port string) {
	http.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(os.Getenv("READY")); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"object": "list", "data": [{"id": "m", "object": "model"}]}`)
	})
	http.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // the GPU time that is booked
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices": [{"message": {"role": "assistant", "content": "warm"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}`)
	})
	panic(http.ListenAndServe("127.0.0.1:"+port, nil)) //nolint:gosec // of a test
}

// TestColdModel: a request for a model whose server is not started waits until a worker of this
// host has started it, or is told when to try again. The worker owns the server.
func TestColdModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address, c := temporal(t)

	port, ready := porttest.Free(t), filepath.Join(dir, "ready")
	section := fmt.Sprintf(`"gateway": {"queue_seconds": 1, "listeners": {"main": {"address": "127.0.0.1:0", "tenant": "default"}}},
		"servers": {"s": {"command": [%q, "serve", %q], "ready": "http://127.0.0.1:%s/health", "gpus": 2, "env": {"READY": %q}},
			"u": {"command": ["/bin/false"], "ready": "http://127.0.0.1:%[5]s/health", "pass_env": ["COGFLOW_TEST_ABSENT"]}},
		"endpoints": {"e": {"kind": "openai", "url": "http://127.0.0.1:%[3]s/v1", "models": ["m"], "server": "s", "input_usd_per_mtok": 0, "output_usd_per_mtok": 0},
			"u": {"kind": "openai", "url": "http://127.0.0.1:%[5]s/v1", "models": ["stuck"], "server": "u"}}`,
		os.Args[0], port, port, ready, porttest.Free(t))
	g := startGateway(t, section, "TEMPORAL_ADDRESS", address)
	var status int
	var header http.Header
	var text string
	ask := func(model string) (answered bool) {
		var err error
		status, header, text, err = g.post(t, "/v1/chat/completions", `{"model": "`+model+`", "messages": [{"role": "user", "content": "hello"}]}`)
		return err == nil
	}
	// The machine may be too slow to say why within the second that a request waits.
	told := func(model, what string) func() bool {
		return func() bool { return ask(model) && strings.Contains(text, what) }
	}

	require.Eventually(t, told("m", "no worker of this host"), time.Minute, 10*time.Millisecond, "%s", text)
	require.Equal(t, http.StatusServiceUnavailable, status, text)
	require.NotEmpty(t, header.Get("Retry-After"))

	owned := owner(t, c, section, dir)
	require.Eventually(t, func() bool {
		return ask("m") && owned.Reports()()[0].State == modelserver.Booting
	}, time.Minute, 10*time.Millisecond, "%v", owned.Reports()())
	require.Equal(t, http.StatusServiceUnavailable, status, text)
	require.NotEmpty(t, header.Get("Retry-After"))

	require.NoError(t, os.WriteFile(ready, nil, 0o600))
	require.Eventually(t, told("m", "warm"), time.Minute, 10*time.Millisecond, "%s", text)
	require.Equal(t, http.StatusOK, status, text)
	require.Equal(t, 1, owned.Reports()()[0].Starts, "the worker has started it")

	require.Eventually(t, told("stuck", "COGFLOW_TEST_ABSENT"), time.Minute, 10*time.Millisecond, "%s", text)
	require.Equal(t, http.StatusBadGateway, status, "waiting does not help: %s", text)
	require.Contains(t, text, "`cogflow models status u` shows its state")

	g.ordered(t)

	g.stop() // what was used is booked after the answer
	require.NoError(t, <-g.done)
	g.done <- nil
	reader, err := costs.Open(t.Context(), filepath.Join(g.dir, "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, reader.Close()) })
	sums, err := reader.Costs(t.Context(), money.CostQuery{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, sums.Total.GPUMS, int64(40), "two GPUs for the time of the answer")
}

// ordered shows, stops and starts the server by the routes of operators.
func (g *gateway) ordered(t *testing.T) {
	t.Helper()
	main := g.url(t, "main")
	answer := func(path, what string) (text string) { // a worker may be too slow to be a part of an answer
		require.Eventually(t, func() bool {
			status, said, err := look(t.Context(), main+path, "")
			text = said
			return err == nil && status == http.StatusOK && strings.Contains(said, what)
		}, time.Minute, 10*time.Millisecond, path)
		return text
	}
	// The state is asked for before an order is made, so this order has not been.
	unknown := func(status int, text string) bool {
		return status == http.StatusServiceUnavailable && strings.Contains(text, "the state of the model server")
	}
	require.Contains(t, answer("/pools", `"memory_used_bytes":3221225472`), `"devices_memory_used_bytes":6442450944,"devices_memory_bytes":96636764160,"server":"s"`)
	for _, one := range []struct{ order, answer, state string }{
		{"release", `"was":"idle"`, "asleep"}, {"release", `"was":"asleep"`, "asleep"}, {"warm?wait_s=60", `"done":"ready"`, "idle"},
	} {
		status, _, text, _ := g.insist(t, "/model-servers/m/"+one.order, "application/json", "", unknown)
		require.Equal(t, http.StatusOK, status, text)
		require.Contains(t, text, one.answer)
		require.Contains(t, answer("/model-servers/m", `"model_servers"`), `"state":"`+one.state+`"`)
	}
	status, _, text, _ := g.insist(t, "/model-servers/other/warm", "application/json", "", unknown)
	require.Equal(t, http.StatusNotFound, status, text)
}

// owner is a worker of this host that owns the model servers of a section of the configuration.
func owner(t *testing.T, c client.Client, section, dir string) *ondemand.Servers {
	t.Helper()
	file := filepath.Join(dir, "worker.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"cogflow":{"scratch":"`+dir+`/tmp",`+section+`}}`), 0o600))
	cfg, err := config.Load(func(name string) string { return map[string]string{"COGNIVERSE_CONFIG": file}[name] })
	require.NoError(t, err)
	table := lease.New([]string{"GPU-a", "GPU-b"})
	used := int64(3 << 30)
	devices := func(context.Context) ([]activities.HostGPU, error) {
		return []activities.HostGPU{{Name: "NVIDIA L40S", UUID: "GPU-a", Total: 45 << 30, Used: &used}, {Name: "NVIDIA L40S", UUID: "GPU-b", Total: 45 << 30, Used: &used}}, nil
	}
	owned, err := ondemand.New(ondemand.Options{
		Config: cfg, Getenv: os.Getenv, Class: "l40s", GPUs: func() (*lease.Table, error) { return table, nil }, Devices: devices, Redactor: safetext.NewRedactor(nil, nil),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, owned.Close()) })
	flows := worker.New(c, workflows.QueueMain, worker.Options{})
	for _, flow := range []any{workflows.WarmModelServer, workflows.ListModelServers, workflows.ReleaseModelServer} {
		flows.RegisterWorkflow(flow)
	}
	name, process := ondemand.Queue()
	all := []worker.Worker{flows}
	for queue, a := range map[string]*activities.Servers{ // one process of the host has no servers
		workflows.HostQueue(name, process): owned.Activities(), workflows.HostQueue(name, "zz"): ondemand.WithoutServers("l40s", devices),
	} {
		host := worker.New(c, queue, worker.Options{Interceptors: []interceptor.WorkerInterceptor{&activities.Errors{}, &activities.Lifecycle{}}})
		for name, one := range map[string]any{"WarmModelServer": a.WarmModelServer, "ModelServers": a.ModelServers, "ReleaseModelServer": a.ReleaseModelServer} {
			host.RegisterActivityWithOptions(one, activity.RegisterOptions{Name: name})
		}
		all = append(all, host)
	}
	for _, w := range all {
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
	}
	return owned
}

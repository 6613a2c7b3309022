package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// prometheus is a real Prometheus that scrapes one worker.
type prometheus struct {
	t   testing.TB
	url string
}

func startPrometheus(t testing.TB, target string) prometheus {
	t.Helper()
	program, err := filepath.Abs("../bin/prometheus")
	require.NoError(t, err)
	require.FileExists(t, program, "run `make test-telemetry`, which installs Prometheus")
	dir, address := t.TempDir(), unusedAddress(t)
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `{global: {scrape_interval: 500ms, scrape_timeout: 500ms},
		scrape_configs: [{job_name: cogflow, static_configs: [{targets: [%q]}]}]}`, target), 0o600))
	cmd := exec.CommandContext(t.Context(), program, "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("%.4000s", log.String())
		}
	})
	return prometheus{t, "http://" + address}
}

func unusedAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// get asks the API; ok is false while Prometheus is not ready.
func (p prometheus) get(path string, into any) (ok bool) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, nil)
	require.NoError(p.t, err)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK && json.NewDecoder(answer.Body).Decode(into) == nil
}

// query returns the values of an expression by the labels that are given.
func (p prometheus) query(expression string, labels ...string) map[string]float64 {
	p.t.Helper()
	var r struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  [2]any            `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	p.get("/api/v1/query?query="+url.QueryEscape(expression), &r)
	out := map[string]float64{}
	for _, one := range r.Data.Result {
		var name []string
		for _, l := range labels {
			name = append(name, one.Metric[l])
		}
		text, _ := one.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		require.NoError(p.t, err)
		out[strings.Join(name, " ")] = value
	}
	return out
}

// TestPrometheus lets a real Prometheus scrape a worker that ingests videos, and compares what
// it stores with the ledger.
func TestPrometheus(t *testing.T) {
	if os.Getenv("COGFLOW_TELEMETRY_SERVERS") == "" {
		t.Skip("run make test-telemetry, which installs Prometheus")
	}
	t.Parallel()
	a, address := newAccountant(t, rand.Uint64()), unusedAddress(t)
	a.env = append(a.env, "COGFLOW_TELEMETRY="+address)
	p := startPrometheus(t, address)
	w := a.worker(nil)
	ingested := a.commandLine()("ingest", a.dir, "--tenant", "acme", "--profile", "captions", "--json")
	require.Zero(t, ingested.code, ingested.stderr)

	calls, costs, n := map[string]float64{}, map[string]float64{}, 0.0
	for _, e := range a.ledger() {
		calls[e.Kind+" "+e.Model+" "+e.Outcome]++
		costs[e.Kind+" "+e.Model] += float64(e.Cost) / 1e6
		n++
	}
	require.NotEmpty(t, calls)
	require.Eventually(t, func() bool {
		sum := 0.0
		for _, v := range p.query("cogflow_calls_total", "kind", "model", "outcome") {
			sum += v
		}
		return sum == n
	}, soon, 200*time.Millisecond, "Prometheus has no sample from after the job")
	require.Equal(t, calls, p.query("cogflow_calls_total", "kind", "model", "outcome"))
	booked := p.query("cogflow_cost_usd_total", "kind", "model")
	require.Len(t, booked, len(costs))
	for of, cost := range costs {
		require.InDelta(t, cost, booked[of], 1e-9, of)
	}
	require.Equal(t, map[string]float64{"": n}, p.query("sum(cogflow_call_duration_seconds_count)"))
	require.Equal(t, map[string]float64{"": 0}, p.query("sum(cogflow_calls_in_flight) or vector(0)"))
	require.Equal(t, map[string]float64{version: 1}, p.query("cogflow_build_info", "version"))
	for _, name := range []string{
		"go_goroutines", "process_open_fds", "process_resident_memory_bytes", "temporal_worker_task_slots_used", "temporal_num_pollers",
		"temporal_activity_execution_latency_seconds_count", "temporal_activity_schedule_to_start_latency_seconds_bucket", "temporal_request_total",
	} {
		require.Eventually(t, func() bool { return len(p.query(name)) > 0 }, soon, 200*time.Millisecond, name)
	}
	var targets struct {
		Data struct {
			ActiveTargets []struct{ Health, LastError string } `json:"activeTargets"`
		} `json:"data"`
	}
	require.True(t, p.get("/api/v1/targets", &targets))
	require.Len(t, targets.Data.ActiveTargets, 1)
	require.Equal(t, "up", targets.Data.ActiveTargets[0].Health, targets.Data.ActiveTargets[0].LastError)
	names := p.query(`count by (__name__) ({job="cogflow"})`, "__name__")
	t.Logf("%d names: %s", len(names), slices.Sorted(maps.Keys(names)))
	a.checkMetrics("http://" + address + "/metrics")
	w.drain()
}

// checkMetrics passes what the worker serves to promtool. Metrics of Temporal's SDK have no help.
func (a *accountant) checkMetrics(url string) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, url, nil)
	require.NoError(a.t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	defer answer.Body.Close()
	cmd := exec.CommandContext(a.t.Context(), "../bin/promtool", "check", "metrics")
	cmd.Stdin = answer.Body
	out, _ := cmd.CombinedOutput() // the status also counts style
	for line := range strings.Lines(string(out)) {
		name, problem, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.True(a.t, strings.HasPrefix(name, "temporal_"), "promtool: %s", line)
		require.NotEmpty(a.t, problem)
	}
	require.NotContains(a.t, string(out), "error while linting")
}

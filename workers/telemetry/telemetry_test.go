package telemetry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/telemetry"
)

func start(t *testing.T, o telemetry.Options) *telemetry.Server {
	t.Helper()
	s, err := telemetry.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, s *telemetry.Server) map[string]*dto.MetricFamily {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/metrics", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(answer.Body)
	require.NoError(t, err)
	return all
}

func TestState(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{Version: "1.2.3"})
	status, body := get(t, s.URL()+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "starting\n", body)
	status, _ = get(t, s.URL()+"/healthz")
	require.Equal(t, http.StatusOK, status)
	s.Ready()
	status, _ = get(t, s.URL()+"/readyz")
	require.Equal(t, http.StatusOK, status)
	s.NotReady("draining")
	_, body = get(t, s.URL()+"/readyz")
	require.Equal(t, "draining\n", body)
	status, _ = get(t, s.URL()+"/debug/pprof/")
	require.Equal(t, http.StatusNotFound, status, "profiles are not served unless asked for")
	require.Equal(t, "1.2.3", scrape(t, s)["cogflow_build_info"].Metric[0].Label[0].GetValue())
}

// TestRequired: a process is not ready while something that it needs does not answer. It says
// what, by the class of the error, and asks rarely.
func TestRequired(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	s.Ready()
	var asked atomic.Int64
	s.Require("Temporal", func(context.Context) error { asked.Add(1); return nil })
	s.Require("the ledger", func(context.Context) error {
		return fault.Wrap(fault.Transport, "read", "postgres://user:s3cret@host", errors.New("s3cret"))
	})
	s.Require("the store", func(ctx context.Context) error { <-ctx.Done(); <-t.Context().Done(); return nil })
	for range 20 {
		status, body := get(t, s.URL()+"/readyz")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Equal(t, "the ledger is not reachable (transport)\nthe store is not reachable (no answer)\n", body)
	}
	require.EqualValues(t, 1, asked.Load())
	status, _ := get(t, s.URL()+"/healthz")
	require.Equal(t, http.StatusOK, status, "it lives: a restart would not help")

	good := start(t, telemetry.Options{})
	good.Ready()
	good.Require("Temporal", func(context.Context) error { return nil })
	status, body := get(t, good.URL()+"/readyz")
	require.Equal(t, http.StatusOK, status, body)
	address, err := url.Parse(good.URL())
	require.NoError(t, err)
	require.True(t, net.ParseIP(address.Hostname()).IsLoopback(), "by default nobody else can ask")
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{Profiling: true})
	status, body := get(t, s.URL()+"/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "goroutine profile")
}

func TestAddressTaken(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	address := s.URL()[len("http://"):]
	_, err := telemetry.Start(telemetry.Options{Address: address})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "COGFLOW_TELEMETRY")
}

// ledger books what it is told.
type ledger struct{}

func (ledger) TryReserve(_ context.Context, c video.Call, _ int64) (money.Reservation, error) {
	if c.CostMicroUSD > 5000 {
		return money.Reservation{}, fault.New(fault.Budget, "begin call", c.Model, "too much")
	}
	return money.Reservation{Key: string(c.Fingerprint), MicroUSD: c.CostMicroUSD}, nil
}

func (ledger) Settle(_ context.Context, _ string, said money.Booking) (money.Booking, error) {
	return said, nil
}

func (ledger) Settled() <-chan struct{} { return nil }

// TestCalls: calls are counted once, by outcome, whatever is settled again.
func TestCalls(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	l, err := s.Counted(ledger{})
	require.NoError(t, err)
	call := func(key string, cost int64) video.Call {
		return video.Call{Kind: "describe", Model: "m", Fingerprint: video.Fingerprint(key), CostMicroUSD: cost}
	}
	for _, key := range []string{"a", "b", "c"} {
		_, err := l.TryReserve(t.Context(), call(key, 3000), 0)
		require.NoError(t, err)
	}
	_, err = l.TryReserve(t.Context(), call("d", 6000), 0)
	require.Error(t, err)
	for range 2 {
		_, err = l.Settle(t.Context(), "a", money.Booking{Outcome: money.Answered, MicroUSD: 2000})
		require.NoError(t, err)
	}
	_, err = l.Settle(t.Context(), "b", money.Booking{Outcome: money.Refused, MicroUSD: 0})
	require.NoError(t, err)

	all := scrape(t, s)
	got := map[string]float64{}
	for _, m := range all["cogflow_calls_total"].Metric {
		for _, label := range m.Label {
			if label.GetName() == "outcome" {
				got[label.GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	require.Equal(t, map[string]float64{"answered": 1, "refused": 1}, got)
	require.InDelta(t, 0.002, all["cogflow_cost_usd_total"].Metric[0].GetCounter().GetValue(), 1e-9)
	require.InDelta(t, 1, all["cogflow_calls_in_flight"].Metric[0].GetGauge().GetValue(), 0)
	require.EqualValues(t, 2, all["cogflow_call_duration_seconds"].Metric[0].GetHistogram().GetSampleCount())
}

// TestTemporal: counters of Temporal's SDK are counters, with the names that Prometheus expects.
func TestTemporal(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	s.Temporal().Counter("temporal_request").Inc(2)
	require.InDelta(t, 2, scrape(t, s)["temporal_request_total"].GetMetric()[0].GetCounter().GetValue(), 0)
}

func TestOff(t *testing.T) {
	t.Parallel()
	var s *telemetry.Server
	s.Ready()
	s.NotReady("")
	l, err := s.Counted(ledger{})
	require.NoError(t, err)
	require.Equal(t, ledger{}, l)
	require.NoError(t, s.Close())
}

func TestModelServers(t *testing.T) {
	t.Parallel()
	s := start(t, telemetry.Options{})
	require.NoError(t, s.ModelServers(func() []modelserver.Report {
		return []modelserver.Report{{
			Status: modelserver.Status{Name: "qwen", State: modelserver.Ready, Users: 3},
			Usage:  modelserver.Usage{Starts: 2, Failed: 1, Boot: 90 * time.Second, Idle: time.Minute},
		}}
	}))
	all := scrape(t, s)
	for name, want := range map[string]float64{"starts_total": 2, "failures_total": 1, "cold_start_seconds_total": 90, "idle_seconds_total": 60} {
		require.InDelta(t, want, all["cogflow_model_server_"+name].Metric[0].GetCounter().GetValue(), 0, name)
	}
	require.InDelta(t, 3, all["cogflow_model_server_requests"].Metric[0].GetGauge().GetValue(), 0)
	require.InDelta(t, 1, all["cogflow_model_server_up"].Metric[0].GetGauge().GetValue(), 0)
	require.Equal(t, "qwen", all["cogflow_model_server_up"].Metric[0].Label[0].GetValue())
}

package telemetry_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/traces/tracestest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/telemetry"
)

// ofTemporal are metrics of Temporal's SDK that the dashboard shows. `make test-telemetry` asks a
// real Prometheus for them.
var ofTemporal = []string{
	"temporal_activity_execution_failed_total", "temporal_worker_task_slots_used", "temporal_activity_schedule_to_start_latency_seconds_bucket",
}

// TestDashboard: each metric of the dashboard and of the alerts exists.
func TestDashboard(t *testing.T) {
	t.Parallel()
	collector := tracestest.Start(t)
	s, err := telemetry.Open(telemetry.Options{Log: slog.New(slog.DiscardHandler), Getenv: func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}[name]
	}}, &client.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	l, err := s.Counted(ledger{})
	require.NoError(t, err)
	for _, key := range []string{"a", "b"} {
		_, err = l.TryReserve(t.Context(), video.Call{Kind: "describe", Model: "m", Fingerprint: video.Fingerprint(key)}, 0)
		require.NoError(t, err)
	}
	_, err = l.Settle(t.Context(), "a", money.Booking{Outcome: money.Answered, MicroUSD: 2000})
	require.NoError(t, err)
	known := append([]string{"up"}, ofTemporal...)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", "telemetry.md"))
	require.NoError(t, err)
	for _, row := range regexp.MustCompile("(?m)^\\| `cogflow_.*").FindAllString(string(page), -1) { // those of parts that this server has not
		known = append(known, regexp.MustCompile(`cogflow_\w+`).FindAllString(row, -1)...)
	}
	for name, family := range scrape(t, s) {
		if strings.HasPrefix(name, "cogflow_") {
			require.Contains(t, known, name, "docs/how-to/telemetry.md lists all metrics")
		}
		known = append(known, name)
		if family.GetType().String() == "HISTOGRAM" {
			known = append(known, name+"_bucket", name+"_count", name+"_sum")
		}
	}

	dir := filepath.Join("..", "..", "deploy", "grafana")
	text, err := os.ReadFile(filepath.Join(dir, "workers.json"))
	require.NoError(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &board))
	var expressions []string
	for _, p := range board.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	text, err = os.ReadFile(filepath.Join(dir, "alerts.yml"))
	require.NoError(t, err)
	for _, rule := range regexp.MustCompile(`(?s)expr: (.*?)\n +(?:for|annotations):`).FindAllStringSubmatch(string(text), -1) {
		expressions = append(expressions, rule[1])
	}
	require.Len(t, expressions, 19+strings.Count(string(text), "- alert:"))
	name := regexp.MustCompile(`\b(?:up|(?:cogflow|temporal|process|go)_\w+)\b`)
	for _, e := range expressions {
		names := name.FindAllString(e, -1)
		require.NotEmpty(t, names, e)
		for _, n := range names {
			require.True(t, slices.Contains(known, n), "no metric %s in %s", n, e)
		}
	}
}

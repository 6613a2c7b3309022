package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/webhook"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/alerts"
)

// TestBudgetAlerts: a worker tells a webhook and a workflow of a budget that was spent, and writes
// neither the URL nor the secret into its log.
func TestBudgetAlerts(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	bodies := make(chan alerts.Message, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m alerts.Message
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		sign := webhook.Sign([]byte("of-the-webhook"), r.Header.Get(webhook.HeaderID), r.Header.Get(webhook.HeaderTimestamp), body)
		if err != nil || r.Header.Get(webhook.HeaderSignature) != sign || r.URL.Path != "/token-in-the-path" {
			t.Errorf("request %s: %s, %v", r.URL, body, err)
		}
		bodies <- m
	}))
	t.Cleanup(hook.Close)

	own := worker.New(s.client, "watchman", worker.Options{})
	own.RegisterWorkflowWithOptions(func(ctx workflow.Context) (m alerts.Message, err error) {
		workflow.GetSignalChannel(ctx, alerts.Signal).Receive(ctx, &m)
		return m, nil
	}, workflow.RegisterOptions{Name: "Watchman"})
	require.NoError(t, own.Start())
	t.Cleanup(own.Stop)
	run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "watchman", TaskQueue: "watchman"}, "Watchman")
	require.NoError(t, err)

	l, err := ledger.Open(filepath.Join(s.dir, "ledger.db"))
	require.NoError(t, err)
	require.NoError(t, l.SetBudget(t.Context(), money.Budget{Scope: money.Scope{Tenant: "acme"}, Period: money.Total, MicroUSD: 5_000_000}))
	r, err := l.TryReserve(t.Context(), video.Call{Tenant: "acme", Job: "job", Model: "m", Fingerprint: "a", CostMicroUSD: 4_500_000}, 0)
	require.NoError(t, err)
	_, err = l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 4_500_000})
	require.NoError(t, err)
	require.NoError(t, l.Close())

	config := filepath.Join(s.dir, "config.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"cogflow": {"alerts": {"webhook_secret_env": "HOOK_SECRET", "workflow": "watchman"}}}`), 0o600))
	s.worker([]string{"--pools", "cogflow"}, "COGNIVERSE_CONFIG="+config, "COGFLOW_ALERTS_WEBHOOK="+hook.URL+"/token-in-the-path", "HOOK_SECRET=of-the-webhook")
	told := <-bodies
	require.Equal(t, "Budget of tenant acme ($5.00 in total): $4.50 spent; that is over 80 %.", told.Data.Text)
	require.Equal(t, told, await[alerts.Message](s, run, soon), "the signal has the same content")
	s.requireMetrics()
	log, err := os.ReadFile(filepath.Join(s.dir, "worker.log"))
	require.NoError(t, err)
	require.NotContains(t, string(log), "token-in-the-path")
	require.NotContains(t, string(log), "of-the-webhook")
}

// requireMetrics checks the metrics of the worker of TestBudgetAlerts that are read in the background.
func (s *stack) requireMetrics() {
	s.t.Helper()
	log, err := os.ReadFile(filepath.Join(s.dir, "worker.log"))
	require.NoError(s.t, err)
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(string(log))
	require.Eventually(s.t, func() bool {
		r, err := http.Get(url) //nolint:noctx // of a process of this test
		if err != nil {
			return false
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		return err == nil && bytes.Contains(body, []byte(`cogflow_queue_age_seconds{queue="cogflow"}`)) &&
			bytes.Contains(body, []byte(`cogflow_budget_left_usd{kind="hard",model="",org="",period="total",tenant="acme"} 0.5`))
	}, soon, 50*time.Millisecond)
}

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/traces/phoenixtest"
	"github.com/cogniverse/cogflow/internal/traces/tracestest"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// TestPhoenix sends the traces of an ingest, a training and an optimization of two tenants to a
// real Phoenix, and reads them back: projects, parents, tokens and costs.
func TestPhoenix(t *testing.T) {
	if os.Getenv("COGFLOW_TELEMETRY_SERVERS") == "" {
		t.Skip("run make test-telemetry, which installs Phoenix")
	}
	t.Parallel()
	p := phoenixtest.Start(t, filepath.Join("..", "internal", "traces", "phoenixtest", ".venv"))
	a := newAccountant(t, rand.Uint64())
	a.endpoint.LM.Dress = saysParts
	for model, price := range a.endpoint.Tokens {
		p.Price(t, model, price.Input, price.Output)
	}
	models, err := tinyModels()
	require.NoError(t, err)
	trainer, err := filepath.Abs("../trainer")
	require.NoError(t, err)
	a.env = append(a.env, "COGFLOW_TRAINING_MODELS_DIR="+models, "COGFLOW_TRAINING_TRAINER_DIR="+trainer, priced,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+p.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20"+collectorKey)
	w := a.worker(nil)
	cogflow := a.commandLine()
	ingested := cogflow("ingest", a.dir, "--tenant", "acme", "--profile", "captions", "--json")
	require.Zero(t, ingested.code, ingested.stderr)
	sft, _, _ := writeDatasets(t, a.stack.dir)
	trained := cogflow("train", "sft", "--tenant", "acme", "--dataset", sft, "--base-model", "tiny/llama", "--name", "support",
		"--set", "epochs=1", "--set", "min_rows=10", "--set", "max_seq_length=96", "--json")
	require.Zero(t, trained.code, trained.stderr)
	_, err = execute[optimize.Result](a.stack, "quiz", "OptimizePrompts", quiz("org:other"))
	require.NoError(t, err)
	w.drain()
	require.NotContains(t, a.log(), "spans of traces are lost")

	entries := a.ledger()
	var all []tracestest.Span
	require.Eventually(t, func() bool {
		all = slices.Concat(p.Spans(t, "cogflow-acme"), p.Spans(t, "cogflow-org:other"))
		n := 0
		for _, s := range all {
			if s.Text("cogflow.ledger.key") != "" {
				n++
			}
		}
		return n == len(entries)
	}, soon, 200*time.Millisecond, "Phoenix stores what it received")
	a.requireProjects(p, entries)
	a.equalTheLedger(all)
	requireTrees(t, all)
	a.requireNames(all)
	requireJobs(t, all)
	text, err := json.Marshal(all)
	require.NoError(t, err)
	for _, secret := range []string{
		collectorKey, a.endpoint.URL, p.URL, a.server.Address(), a.dir, a.stack.dir, models, trainer,
		"topic ", "Rule number", "talking-", "lamps", "data:image", "base64",
	} {
		require.NotContains(t, string(text), secret, "spans have no keys, addresses, paths or texts")
	}
}

// requireProjects checks that each tenant has a project. With our prices, what Phoenix computes of
// tokens is what was booked, except that each entry is rounded up to a micro-USD.
func (a *accountant) requireProjects(p *phoenixtest.Server, entries map[string]booked) {
	a.t.Helper()
	got, want, calls := p.Projects(a.t), map[string]float64{}, map[string]float64{}
	for _, e := range entries {
		if _, byTokens := a.endpoint.Tokens[e.Model]; byTokens {
			want["cogflow-"+e.Tenant] += float64(e.Cost) / 1e6
			calls["cogflow-"+e.Tenant]++
		}
	}
	require.Len(a.t, got, len(want))
	for project, cost := range want {
		require.InDelta(a.t, cost, got[project], calls[project]/1e6, project)
	}
}

// requireJobs checks that each job is one tree from the workflow through its activities to its
// calls, and prints it.
func requireJobs(t *testing.T, spans []tracestest.Span) {
	t.Helper()
	byID, cost := map[string]tracestest.Span{}, map[string]int64{}
	for _, s := range spans {
		byID[s.ID] = s
	}
	paths := map[string]int{}
	for _, s := range spans {
		cost[s.Trace] += s.Int("cogflow.cost.micro_usd")
		if s.Text("cogflow.ledger.key") == "" {
			continue
		}
		path := []string{s.Text("cogflow.call.kind")}
		for at := s; at.Parent != ""; {
			at = byID[at.Parent]
			path = append(path, at.Name)
		}
		slices.Reverse(path)
		paths[strings.Join(path, " > ")]++
	}
	for path, n := range paths {
		t.Logf("%4d × %s", n, path)
	}
	for trace, micro := range cost {
		t.Logf("trace %s: $%.6f", trace, float64(micro)/1e6)
	}
	for _, kind := range []string{"IngestLibrary", "TrainSFT", "OptimizePrompts"} {
		require.True(t, slices.ContainsFunc(spans, func(s tracestest.Span) bool {
			return s.Name == "CompleteWorkflow:"+kind && s.OK && s.Text("output.value") == fmt.Sprintf(`{"outcome": "completed", "cost_usd": %.6f}`, float64(cost[s.Trace])/1e6)
		}), kind)
		require.Condition(t, func() bool {
			for path := range paths {
				if strings.Contains(path, fmt.Sprintf("RunWorkflow:%s > ", kind)) {
					return true
				}
			}
			return false
		}, "no call of "+kind)
	}
}

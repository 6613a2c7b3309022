package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/traces/tracestest"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

const collectorKey = "s3cret-of-the-collector"

// traced returns the environment of a worker or a command that exports traces.
func traced(c *tracestest.Collector) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20" + collectorKey}
}

func quiz(tenant string) optimize.Input {
	return optimize.Input{
		Common:   workflows.Common{Tenant: tenant},
		Program:  json.RawMessage(`{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`),
		Trainset: topics(30, 0), Mode: "compat",
		Settings: mipro.Settings{Auto: "none", NumCandidates: 2, NumTrials: 2, MinibatchSize: 4, MinibatchFullEvalSteps: 2},
	}
}

// TestTraces: an ingest that the command line starts, and an optimization, arrive in the
// projects of their tenants, with parents, and with the costs of the ledger. Workers without
// traces go on with runs of those that have them, and back.
func TestTraces(t *testing.T) {
	t.Parallel()
	a, c := newAccountant(t, rand.Uint64()), tracestest.Start(t)
	a.endpoint.LM.Dress = saysParts
	plain := a.env
	a.env = append(a.env, traced(c)...)
	w := a.worker(nil)
	p := a.commandLine()("ingest", a.dir, "--tenant", "acme", "--profile", "captions", "--json")
	require.Zero(t, p.code, p.stderr)
	_, err := execute[optimize.Result](a.stack, "quiz", "OptimizePrompts", quiz("org:other"))
	require.NoError(t, err)
	a.awaitSpans(c) // a worker that drains waits for the collector for two seconds at most
	w.drain()
	first := c.Spans()
	a.equalTheLedger(first)
	requireTrees(t, first)
	a.requireNames(first)

	// Replay exports nothing again.
	w = a.worker(nil)
	a.poll(func() bool {
		_, err := a.client.QueryWorkflow(t.Context(), "quiz", "", workflows.QueryProgress)
		return err == nil
	})
	w.drain()
	require.Len(t, c.Spans(), len(first))

	// A run changes between workers with and without traces.
	a.env = plain
	w = a.worker(nil)
	asked := a.endpoint.Count()
	run, err := a.client.ExecuteWorkflow(t.Context(), startOptions("mixed"), "OptimizePrompts", quiz("mixed"))
	require.NoError(t, err)
	for i := range 3 {
		a.poll(func() bool { return a.endpoint.Count() > asked+5*(i+1) })
		w.drain()
		if a.env = plain; i%2 == 0 {
			a.env = append(slices.Clip(plain), traced(c)...)
		}
		w = a.worker(nil)
	}
	await[optimize.Result](a.stack, run, 5*time.Minute)
	w.drain()
	c.Await(t, "the run with a worker that began to trace later", func(s tracestest.Span) bool { return s.Project == "cogflow-mixed" })

	raw, _ := c.Raw()
	all := bytes.Join(raw, nil)
	for _, secret := range []string{collectorKey, a.endpoint.URL, c.URL, a.server.Address(), a.dir, a.stack.dir, "topic ", "Rule number", "talking-"} {
		require.NotContains(t, string(all), secret, "spans have no keys, addresses, paths or texts")
	}
	require.NotContains(t, a.log(), collectorKey)
}

// saysParts adds to an answer how many of its tokens were cached, and how many were reasoning.
func saysParts(v map[string]any) {
	if usage, ok := v["usage"].(map[string]any); ok {
		usage["prompt_tokens_details"], usage["completion_tokens_details"] = map[string]int{"cached_tokens": 3}, map[string]int{"reasoning_tokens": 2}
	}
}

// awaitSpans waits until the collector has a span of each call that was made, and the parents of all spans.
func (a *accountant) awaitSpans(c *tracestest.Collector) {
	a.t.Helper()
	a.poll(func() bool {
		calls, spans := map[string]bool{}, map[string]bool{"": true}
		all := c.Spans()
		for _, s := range all {
			calls[s.Text("cogflow.ledger.key")], spans[s.ID] = true, true
		}
		for key, e := range a.ledger() {
			if e.Outcome != "released" && !calls[key] {
				return false
			}
		}
		return !slices.ContainsFunc(all, func(s tracestest.Span) bool { return !spans[s.Parent] })
	})
}

// equalTheLedger checks that each entry that was asked has one span, with its cost, tokens and GPU time.
func (a *accountant) equalTheLedger(spans []tracestest.Span) {
	a.t.Helper()
	entries := a.ledger()
	require.NotEmpty(a.t, entries)
	costs := map[string]int64{}
	for _, s := range spans {
		key := s.Text("cogflow.ledger.key")
		if key == "" {
			continue
		}
		e, ok := entries[key]
		require.True(a.t, ok, "%+v", s)
		require.NotContains(a.t, costs, key, "an entry has one span")
		costs[key] = s.Int("cogflow.cost.micro_usd")
		require.Equal(a.t, e.Cost, costs[key], "%+v", s)
		require.InDelta(a.t, float64(e.Cost)/1e6, s.Attributes["llm.cost.total"], 1e-9)
		require.Equal(a.t, e.Outcome, s.Text("cogflow.outcome"))
		require.Equal(a.t, "cogflow-"+e.Tenant, s.Project)
		require.Equal(a.t, e.Model, cmp.Or(s.Text("gen_ai.request.model"), s.Text("llm.model_name")))
		require.Equal(a.t, e.Kind, s.Text("cogflow.call.kind"))
		for name, booked := range map[string]int64{
			"llm.token_count.prompt": e.Input, "gen_ai.usage.input_tokens": e.Input, "llm.token_count.completion": e.Output, "gen_ai.usage.output_tokens": e.Output,
			"llm.token_count.total": e.Input + e.Output, "llm.token_count.prompt_details.cache_read": e.Cached,
			"gen_ai.usage.cache_read.input_tokens": e.Cached, "llm.token_count.completion_details.reasoning": e.Reasoning, "cogflow.gpu_ms": e.GPU,
		} {
			require.Equal(a.t, booked, s.Int(name), "%s of %+v", name, s)
		}
	}
	for key, e := range entries {
		if e.Outcome != "released" {
			require.Contains(a.t, costs, key, "%+v", e)
		}
	}
}

// requireTrees checks that each span has a parent in its trace, unless it begins a run or a command.
func requireTrees(t *testing.T, spans []tracestest.Span) {
	t.Helper()
	byID := map[string]tracestest.Span{}
	for _, s := range spans {
		require.NotContains(t, byID, s.ID, "%s was exported twice", s.Name)
		byID[s.ID] = s
	}
	for _, s := range spans {
		operation, _, _ := strings.Cut(s.Name, ":")
		parent, ok := byID[s.Parent]
		if s.Parent == "" {
			assert.Contains(t, []string{"StartWorkflow", "RunWorkflow"}, operation, "%+v", s)
			continue
		}
		if !assert.True(t, ok, "%+v has no parent", s) {
			continue
		}
		assert.Equal(t, parent.Trace, s.Trace)
		assert.Equal(t, parent.Project, s.Project)
		of, _, _ := strings.Cut(parent.Name, ":")
		want := map[string]string{"RunActivity": "RunWorkflow", "CompleteWorkflow": "RunWorkflow"}[operation]
		if want == "" && operation != "RunWorkflow" {
			want = "RunActivity"
		}
		if want != "" {
			assert.Equal(t, want, of, "%+v", s)
		}
		assert.NotEmpty(t, s.Text("tenant.id"))
		assert.NotEmpty(t, s.Text("temporal.workflow_id"))
		assert.Equal(t, s.Text("temporal.workflow_id"), s.Text("session.id"))
		assert.NotEmpty(t, s.Text("temporal.run_id"))
	}
}

// requireNames checks the attributes that tools for models read.
func (a *accountant) requireNames(spans []tracestest.Span) {
	a.t.Helper()
	kinds := map[string]int{}
	for _, s := range spans {
		kinds[s.Text("openinference.span.kind")+" "+s.Text("gen_ai.operation.name")]++
		if s.Text("cogflow.call.kind") == "describe" {
			require.Equal(a.t, "cpu", s.Text("gpu.class"))
			require.Equal(a.t, "bill/vlm", s.Text("llm.model_name"))
			require.EqualValues(a.t, 1, s.Int("temporal.attempt"))
			require.NotEmpty(a.t, s.Text("temporal.activity_type"))
		}
	}
	for _, kind := range []string{"CHAIN ", "TOOL ", "LLM chat", "EMBEDDING embeddings", "LLM generate_content"} {
		require.Positive(a.t, kinds[kind], "%s in %v", kind, kinds)
	}
	a.t.Logf("%d spans: %v", len(spans), kinds)
}

// TestTracesWithoutCollector: a collector that takes connections and never answers changes nothing.
func TestTracesWithoutCollector(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	dir := t.TempDir()
	tiny(t, filepath.Join(dir, "a.mp4"), 3)
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // the kernel accepts
	require.NoError(t, err)
	defer silent.Close()
	s.env = append(s.env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+silent.Addr().String())
	w := s.worker(nil)
	p := s.commandLine()("ingest", dir, "--json")
	require.Zero(t, p.code, p.stderr)
	begun := time.Now()
	w.drain()
	require.Less(t, time.Since(begun), 30*time.Second)
	require.Contains(t, s.log(), "spans of traces are lost", fmt.Sprint(w.cmd.ProcessState))
}

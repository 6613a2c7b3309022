package traces

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/internal/traces/tracestest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

type input struct{ Who tenant.ID }

func (i input) Owner() tenant.ID { return i.Who }

// runActivity runs an activity with traces, which are closed when it has ended.
func runActivity(t *testing.T, tr *Traces, do func(ctx context.Context) error) error {
	t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&workers{t: tr}}})
	work := func(ctx context.Context, _ input) error { return do(ctx) }
	env.RegisterActivityWithOptions(work, activity.RegisterOptions{Name: "Work"})
	_, err := env.ExecuteActivity("Work", input{"acme"})
	tr.Close(10 * time.Second)
	return err
}

// TestComplaint49LongActivity: the span of a long activity is exported while the activity runs,
// so that its calls have a parent. How it ended is a span of its own.
func TestComplaint49LongActivity(t *testing.T) {
	t.Parallel()
	c := tracestest.Start(t)
	tr, err := Start(env(map[string]string{varEndpoint: c.URL}), Options{Log: slog.New(slog.DiscardHandler), Long: time.Millisecond})
	require.NoError(t, err)
	calls := tr.Calls()
	err = runActivity(t, tr, func(ctx context.Context) error {
		early := c.Await(t, "the activity", func(s tracestest.Span) bool { return s.Name == "RunActivity:Work" })
		require.Equal(t, true, early.Attributes["cogflow.unfinished"])
		require.Equal(t, early.ID, trace.SpanContextFromContext(ctx).SpanID().String())
		// A training of a day: each slice of GPU time is exported while it runs.
		for i := range 3 {
			key := strconv.Itoa(i)
			calls.Begin(ctx, video.Call{Tenant: "acme", Kind: "train", Model: "m on h100"}, money.Reservation{Key: key, Attempt: 1})
			calls.End(key, money.Booking{Outcome: money.Answered, MicroUSD: 7, Used: money.Used{GPUMS: 10_000}})
			slice := c.Await(t, "the slice", func(s tracestest.Span) bool { return s.Text("cogflow.ledger.key") == key })
			require.Equal(t, early.ID, slice.Parent)
			require.EqualValues(t, 10_000, slice.Int("cogflow.gpu_ms"))
		}
		return temporal.NewNonRetryableApplicationError("the key s3cret is wrong", "auth", errors.New("s3cret"))
	})
	require.Error(t, err)
	spans := c.Spans()
	require.Len(t, spans, 5)
	last := spans[4]
	require.Equal(t, "FinishActivity:Work", last.Name)
	require.Equal(t, spans[0].ID, last.Parent)
	require.True(t, last.Failed)
	require.Equal(t, "auth", last.Message, "the class, not the text")
	require.Equal(t, "auth", last.Text("error.type"))
	raw, _ := c.Raw()
	for _, r := range raw {
		require.NotContains(t, string(r), "s3cret")
	}
}

// TestCalls: each entry of the ledger that was asked has one span, under its activity.
func TestCalls(t *testing.T) {
	t.Parallel()
	c := tracestest.Start(t)
	tr := started(t, map[string]string{varEndpoint: c.URL})
	calls := tr.Calls()
	require.NoError(t, runActivity(t, tr, func(ctx context.Context) error {
		call := video.Call{Tenant: "acme", Kind: video.KindDescribe, Model: "vlm", Workflow: "w"}
		for i, outcome := range []money.Outcome{money.BilledFailure, money.Answered, money.Released} {
			key := string(outcome)
			calls.Begin(ctx, call, money.Reservation{Key: key, Attempt: i + 1})
			calls.End(key, money.Booking{Outcome: outcome, MicroUSD: int64(100 * (i + 1)), Used: money.Used{InputTokens: 7, OutputTokens: 5, CachedTokens: 3}})
			calls.End(key, money.Booking{Outcome: outcome}) // settled twice
		}
		return nil
	}))
	byName := map[string][]tracestest.Span{}
	for _, s := range c.Spans() {
		byName[s.Name] = append(byName[s.Name], s)
	}
	got, of := byName["describe vlm"], byName["RunActivity:Work"]
	require.Len(t, got, 2)
	require.Len(t, of, 1)
	require.Equal(t, "completed", of[0].Text("cogflow.outcome"))
	require.Equal(t, "TOOL", of[0].Text("openinference.span.kind"))
	require.True(t, got[0].Failed)
	require.True(t, got[1].OK)
	require.True(t, of[0].OK)
	for i, s := range got {
		require.Equal(t, of[0].ID, s.Parent)
		require.Equal(t, of[0].Trace, s.Trace)
		require.Equal(t, "cogflow-acme", s.Project)
		require.Equal(t, "LLM", s.Text("openinference.span.kind"))
		require.Equal(t, "vlm", s.Text("llm.model_name"))
		require.EqualValues(t, 100*(i+1), s.Int("cogflow.cost.micro_usd"))
		require.InDelta(t, 0.0001*float64(i+1), s.Attributes["llm.cost.total"], 1e-9)
		require.EqualValues(t, i+1, s.Int("cogflow.call.attempt"))
		require.Equal(t, fmt.Sprintf(`{"outcome": %q, "cost_usd": 0.000%d00}`, s.Text("cogflow.outcome"), i+1), s.Text("output.value"))
		for key, want := range map[string]int64{
			"llm.token_count.prompt": 7, "llm.token_count.completion": 5, "llm.token_count.total": 12, "llm.token_count.prompt_details.cache_read": 3,
			"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 5, "gen_ai.usage.cache_read.input_tokens": 3,
		} {
			require.Equal(t, want, s.Int(key), key)
		}
		require.Equal(t, "acme", s.Text("tenant.id"))
	}
}

// TestLogLines: lines name the trace and the span of their context, activity or run.
func TestLogLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tr := newTraces(failing{}, settings{}, Options{}, 1, time.Hour)
	defer tr.Close(time.Second)
	lines := slog.New(tr.Handler(slog.NewJSONHandler(&out, nil)))
	run, act, own := derived("run"), derived("activity"), derived("own")
	tr.places.set(place{run: "r"}, run)
	tr.places.set(place{"r", "7"}, act)
	line := func(log func()) (trace, span string) {
		out.Reset()
		log()
		var l struct{ Trace, Span string }
		text := strings.NewReplacer("trace_id", "Trace", "span_id", "Span").Replace(out.String())
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		return l.Trace, l.Span
	}
	for _, c := range []struct {
		log  func()
		want trace.SpanContext
	}{
		{func() { lines.Info("x", "RunID", "r") }, run},
		{func() { lines.With("RunID", "r", "ActivityID", "7").Info("x") }, act},
		{func() { lines.With("RunID", "r", "ActivityID", "8").Info("x") }, run},
		{func() { lines.InfoContext(trace.ContextWithSpanContext(t.Context(), own), "x", "RunID", "r") }, own},
	} {
		traceID, spanID := line(c.log)
		require.Equal(t, c.want.TraceID().String(), traceID)
		require.Equal(t, c.want.SpanID().String(), spanID)
	}
	traceID, _ := line(func() { lines.Info("x", "RunID", "unknown") })
	require.Empty(t, traceID)
}

func TestGPUOfQueue(t *testing.T) {
	t.Parallel()
	for queue, want := range map[string]string{"describe-a100-80gb": "a100-80gb", "train-cpu": "cpu", "media": "", "cogflow": ""} {
		require.Equal(t, want, gpuOf(queue), queue)
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()
	type common struct{ Tenant string }
	require.Equal(t, tenant.ID("acme"), ownerOf([]any{input{"acme"}}))
	require.Equal(t, tenant.ID("acme"), ownerOf([]any{7, &struct{ common }{common{"acme"}}}))
	require.Equal(t, tenant.Default, ownerOf([]any{nil, "x", struct{ Tenant int }{1}}))
	require.Equal(t, tenant.Default, ownerOf([]any{common{"https://host/?key=s3cret"}}), "an invalid tenant may be anything")
}

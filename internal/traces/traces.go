// Package traces exports what workflows, activities and calls of models do as OpenTelemetry
// traces, over OTLP/HTTP. Nothing in the product waits for it: a collector that is slow or
// dead loses spans, which are counted, and nothing else.
//
// A span has no text of a user, no key, no URL and no bulk: only names, numbers and classes of
// errors. It knows neither queues nor pipelines.
package traces

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/cogniverse/cogflow/tenant"
)

const (
	// maxTenants bounds the tenants that are kept in memory.
	maxTenants = 1000
	// maxValue bounds the value of an attribute, in characters. Attributes are names and ids.
	maxValue = 1024
	// The exporter tries again for retryFor when the collector is overloaded. Meanwhile the
	// queue fills.
	retryFirst = time.Second
	retryMost  = 5 * time.Second
	retryFor   = 20 * time.Second
	// longActivity is how long an activity runs until its span is exported as unfinished, so
	// that what it does has a parent.
	longActivity = time.Minute
)

// Options of Traces.
type Options struct {
	Service string // "cogflow-worker"; OTEL_SERVICE_NAME takes precedence
	Version string // of the build
	Log     *slog.Logger
	// Long is longActivity; 0 = the default.
	Long time.Duration
}

// Traces exports the spans of one process. Nil exports nothing.
type Traces struct {
	queue    *queue
	exporter sdk.SpanExporter
	settings settings
	long     time.Duration
	places   places

	mu       sync.Mutex
	byTenant map[tenant.ID]trace.Tracer
}

// Start begins to export to the collector that the environment names; nil = it names none.
func Start(getenv func(string) string, o Options) (*Traces, error) {
	s, err := read(getenv, o.Service, o.Version)
	if err != nil || s.endpoint == "" {
		return nil, err
	}
	exporter, err := otlptracehttp.New(context.Background(),
		otlptracehttp.WithEndpointURL(s.endpoint), otlptracehttp.WithHeaders(s.headers),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: retryFirst, MaxInterval: retryMost, MaxElapsedTime: retryFor,
		}))
	if err != nil {
		return nil, err
	}
	return newTraces(exporter, s, o, queueSize, sendEvery), nil
}

func newTraces(exporter sdk.SpanExporter, s settings, o Options, size int, every time.Duration) *Traces {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Long <= 0 {
		o.Long = longActivity
	}
	return &Traces{
		queue: newQueue(exporter, o.Log, size, every), exporter: exporter, settings: s, long: o.Long,
		byTenant: map[tenant.ID]trace.Tracer{},
	}
}

// Counts are the spans so far.
func (t *Traces) Counts() Counts {
	if t == nil {
		return Counts{}
	}
	return t.queue.counts()
}

// Close sends what is queued, for at most the given time. A collector that does not answer
// loses the rest, which is no error.
func (t *Traces) Close(most time.Duration) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	_ = t.queue.Shutdown(ctx)    // it has no error
	_ = t.exporter.Shutdown(ctx) // nor anything left to send
}

// of returns the tracer of a tenant. Phoenix chooses the project by the resource, so each
// tenant has a provider of its own. They share the queue and the exporter, and cost no
// goroutine.
func (t *Traces) of(who tenant.ID) trace.Tracer {
	if who == "" {
		who = tenant.Default
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.byTenant[who]
	if !ok {
		if len(t.byTenant) >= maxTenants {
			clear(t.byTenant) // they are made again when they are used
		}
		attributes := append([]attribute.KeyValue{keyProject.String(t.settings.project + "-" + string(who))}, t.settings.resource...)
		limits := sdk.NewSpanLimits()
		limits.AttributeValueLengthLimit = maxValue
		provider := sdk.NewTracerProvider(
			sdk.WithResource(resource.NewSchemaless(attributes...)), sdk.WithSpanProcessor(t.queue), sdk.WithRawSpanLimits(limits),
			sdk.WithSampler(sdk.ParentBased(sdk.AlwaysSample())), sdk.WithIDGenerator(ids{}))
		one = provider.Tracer("github.com/cogniverse/cogflow")
		t.byTenant[who] = one
	}
	return one
}

package traces

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/interceptor"
)

// propagator carries the current span through the headers of Temporal, with the interceptor of
// its SDK. It starts no spans: that interceptor knows neither the tenant nor whether a
// workflow replays. contrib/opentelemetry would export a workflow's span again after each
// replay, with a new id, and only when the workflow ends.
type propagator struct {
	interceptor.BaseTracer
}

// spanKey is the key of the current span in a workflow's context.
type spanKey struct{}

// reference is a span that others are children of.
type reference struct{ trace.SpanContext }

// Finish implements interceptor.TracerSpan.
func (reference) Finish(*interceptor.TracerFinishSpanOptions) {}

// headerKey is the header that the SDKs of all languages use.
const headerKey = "_tracer-data"

// Options implements interceptor.Tracer.
func (propagator) Options() interceptor.TracerOptions {
	return interceptor.TracerOptions{
		SpanContextKey: spanKey{}, HeaderKey: headerKey,
		// A header that cannot be read must not stop a workflow.
		AllowInvalidParentSpans: true,
		DisableSignalTracing:    true, DisableQueryTracing: true, DisableUpdateTracing: true,
	}
}

// UnmarshalSpan implements interceptor.Tracer.
func (propagator) UnmarshalSpan(m map[string]string) (interceptor.TracerSpanRef, error) {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier(m))
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		return reference{s}, nil
	}
	return nil, nil //nolint:nilnil // nil = no span
}

// MarshalSpan implements interceptor.Tracer. An empty map sets no header.
func (propagator) MarshalSpan(s interceptor.TracerSpan) (map[string]string, error) {
	out := propagation.MapCarrier{}
	if one, ok := s.(reference); ok {
		propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), one.SpanContext), out)
	}
	return out, nil
}

// SpanFromContext implements interceptor.Tracer.
func (propagator) SpanFromContext(ctx context.Context) interceptor.TracerSpan {
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		return reference{s}
	}
	return nil
}

// ContextWithSpan implements interceptor.Tracer.
func (propagator) ContextWithSpan(ctx context.Context, s interceptor.TracerSpan) context.Context {
	if one, ok := s.(reference); ok && one.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, one.SpanContext)
	}
	return ctx
}

// StartSpan implements interceptor.Tracer: the parent stays the current span. A schedule
// passes none on, because all of its runs would be in one trace.
func (propagator) StartSpan(o *interceptor.TracerStartSpanOptions) (interceptor.TracerSpan, error) {
	if one, ok := o.Parent.(reference); ok && o.Operation != "CreateSchedule" {
		return one, nil
	}
	return reference{}, nil
}

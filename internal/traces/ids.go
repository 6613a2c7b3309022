package traces

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strconv"

	"go.opentelemetry.io/otel/trace"
)

// ids makes the ids of spans: those that withIDs set, else random ones.
type ids struct{}

type idsKey struct{}

type idPair struct {
	trace trace.TraceID
	span  trace.SpanID
}

// withIDs sets the ids of the next span. The trace id counts only for a span without a parent.
func withIDs(ctx context.Context, s trace.SpanContext) context.Context {
	return context.WithValue(ctx, idsKey{}, idPair{s.TraceID(), s.SpanID()})
}

// NewIDs implements sdk.IDGenerator.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if p, ok := ctx.Value(idsKey{}).(idPair); ok {
		return p.trace, p.span
	}
	var t trace.TraceID
	_, _ = rand.Read(t[:]) // it never fails
	return t, randomSpan()
}

// NewSpanID implements sdk.IDGenerator.
func (ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if p, ok := ctx.Value(idsKey{}).(idPair); ok {
		return p.span
	}
	return randomSpan()
}

func randomSpan() (s trace.SpanID) {
	_, _ = rand.Read(s[:])
	return s
}

// derived returns ids made of what they are for. A workflow is replayed by any process at any
// time, and all must give its span the same id.
func derived(parts ...string) trace.SpanContext {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	sum := h.Sum(nil)
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(sum[:16]), SpanID: trace.SpanID(sum[16:24]), TraceFlags: trace.FlagsSampled,
	})
}

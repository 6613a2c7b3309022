package traces

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// Calls makes the spans of paid work: one for each entry of the ledger, so that the spans of a
// job add up to its bill. A call that is tried again has an entry, and a span, for each try.
type Calls struct {
	t    *Traces
	mu   sync.Mutex
	open map[string]trace.Span // by key of the entry
}

// Calls returns the spans of calls; nil = nothing is exported.
func (t *Traces) Calls() *Calls {
	if t == nil {
		return nil
	}
	return &Calls{t: t, open: map[string]trace.Span{}}
}

// Begin starts the span of an entry that is reserved, within the activity of ctx.
func (c *Calls) Begin(ctx context.Context, call video.Call, r money.Reservation) {
	s := scopeOf(ctx)
	if s.all == nil { // a check of a model, outside of an activity
		s.all = append(s.all, keyTenant.String(string(call.Tenant)), keySession.String(call.Workflow), keyWorkflow.String(call.Workflow))
	}
	_, span := c.t.of(call.Tenant).Start(ctx, call.Kind+" "+call.Model, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(s.all...), trace.WithAttributes(callAttributes(call, r)...))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[r.Key] = span
}

// End ends the span of an entry as it is booked. An entry whose request was never sent has no
// span.
func (c *Calls) End(key string, b money.Booking) {
	c.mu.Lock()
	span, ok := c.open[key]
	delete(c.open, key)
	c.mu.Unlock()
	if !ok || b.Outcome == money.Released {
		return
	}
	span.SetAttributes(bookingAttributes(b)...)
	if b.Outcome == money.Answered {
		span.SetStatus(codes.Ok, "")
	} else {
		span.SetStatus(codes.Error, string(b.Outcome))
	}
	span.End()
}

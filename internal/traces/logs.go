package traces

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// Names of a line in a log, and of the attributes that the SDK of Temporal sets.
const (
	logTrace    = "trace_id"
	logSpan     = "span_id"
	logRun      = "RunID"
	logActivity = "ActivityID"
)

// maxPlaces bounds the runs and activities whose spans are known to the log.
const maxPlaces = 4096

// places are the spans of runs and running activities, for the log.
type places struct {
	mu sync.Mutex
	by map[place]trace.SpanContext
}

// place is a run, or one of its activities.
type place struct{ run, activity string }

func (p *places) set(at place, s trace.SpanContext) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil || len(p.by) >= maxPlaces {
		p.by = map[place]trace.SpanContext{} // a line without ids is still found by its workflow
	}
	p.by[at] = s
}

func (p *places) forget(at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.by, at)
}

func (p *places) get(at place) trace.SpanContext {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.by[at]
	if !ok {
		s = p.by[place{run: at.run}]
	}
	return s
}

// Handler returns a handler whose lines name their trace and span: of the context, or of the
// run and the activity that the SDK of Temporal names. A nil Traces returns it as it is.
func (t *Traces) Handler(to slog.Handler) slog.Handler {
	if t == nil {
		return to
	}
	return &handler{Handler: to, places: &t.places}
}

type handler struct {
	slog.Handler
	places *places
	at     place
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	for _, a := range attrs {
		next.at.see(a)
	}
	next.Handler = h.Handler.WithAttrs(attrs)
	return &next
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.Handler = h.Handler.WithGroup(name)
	return &next
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	s := trace.SpanContextFromContext(ctx)
	if !s.IsValid() {
		at := h.at
		r.Attrs(func(a slog.Attr) bool { at.see(a); return true })
		s = h.places.get(at)
	}
	if s.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String(logTrace, s.TraceID().String()), slog.String(logSpan, s.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// see takes the part of the place that an attribute names.
func (p *place) see(a slog.Attr) {
	if a.Value.Kind() != slog.KindString || !slices.Contains([]string{logRun, logActivity}, a.Key) {
		return
	}
	if a.Key == logRun {
		p.run = a.Value.String()
	} else {
		p.activity = a.Value.String()
	}
}

package traces

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/cogniverse/cogflow/panics"
)

const (
	// queueSize bounds the spans in memory. They have no free text, so each takes a few kB.
	queueSize = 4096
	// batchSize bounds a request.
	batchSize = 256
	// sendEvery is how long a span waits for others.
	sendEvery = time.Second
	// maxSplits bounds the requests after a batch that the collector refuses as invalid.
	// Finding one bad span of a batch takes two for each halving.
	maxSplits = 24
	// warnEvery is how often the log says that spans are lost.
	warnEvery = time.Minute
)

// Counts are the spans of a process by what became of them.
type Counts struct {
	Exported int64 // accepted by the collector
	Dropped  int64 // the queue was full, or the process ended
	Failed   int64 // the collector did not answer, or was overloaded
	Rejected int64 // refused by the collector as invalid
}

// queue is the only processor of all spans of a process. Ending a span never waits: when the
// queue is full, the span is lost and counted.
//
// sdk.BatchSpanProcessor does not fit: it does not say how many spans it drops, and a span that
// the collector refuses takes its batch with it.
type queue struct {
	to      sdk.SpanExporter
	log     *slog.Logger
	spans   chan sdk.ReadOnlySpan
	every   time.Duration
	closing chan struct{}
	ended   chan struct{}
	stop    context.CancelFunc
	once    sync.Once
	warned  time.Time // of the last warning

	exported, dropped, failed, rejected atomic.Int64
}

func newQueue(to sdk.SpanExporter, log *slog.Logger, size int, every time.Duration) *queue {
	q := &queue{
		to: to, log: log, spans: make(chan sdk.ReadOnlySpan, size), every: every,
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	q.stop = cancel
	panics.Go(func() error { q.run(ctx); return nil }, func(err error) {
		if err != nil {
			q.log.Error("traces are no longer exported", "error", err)
		}
		close(q.ended)
	})
	return q
}

// OnStart implements sdk.SpanProcessor.
func (*queue) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case <-q.closing:
		q.dropped.Add(1)
	default:
		select {
		case q.spans <- s:
		default:
			q.dropped.Add(1)
		}
	}
}

// ForceFlush implements sdk.SpanProcessor.
func (*queue) ForceFlush(context.Context) error { return nil }

// Shutdown implements sdk.SpanProcessor. It sends what is queued, until ctx ends.
func (q *queue) Shutdown(ctx context.Context) error {
	q.once.Do(func() { close(q.closing) })
	select {
	case <-q.ended:
	case <-ctx.Done():
		q.stop()
		<-q.ended
	}
	q.stop()
	for { // what is left when run has ended
		select {
		case <-q.spans:
			q.dropped.Add(1)
		default:
			return nil
		}
	}
}

func (q *queue) counts() Counts {
	return Counts{q.exported.Load(), q.dropped.Load(), q.failed.Load(), q.rejected.Load()}
}

func (q *queue) run(ctx context.Context) {
	batch := make([]sdk.ReadOnlySpan, 0, batchSize)
	tick := time.NewTicker(q.every)
	defer tick.Stop()
	for {
		full := false
		select {
		case s := <-q.spans:
			batch = append(batch, s)
			full = len(batch) == batchSize
		case <-tick.C:
			full = true
		case <-q.closing:
			q.last(ctx, batch)
			return
		}
		if full && len(batch) > 0 {
			q.send(ctx, batch)
			batch = batch[:0]
		}
	}
}

// last sends what is queued when the process ends.
func (q *queue) last(ctx context.Context, batch []sdk.ReadOnlySpan) {
	for ctx.Err() == nil {
		more := true
		for more && len(batch) < batchSize {
			select {
			case s := <-q.spans:
				batch = append(batch, s)
			default:
				more = false
			}
		}
		if len(batch) == 0 {
			return
		}
		q.send(ctx, batch)
		batch = batch[:0]
	}
	q.dropped.Add(int64(len(batch)))
}

// send exports a batch once: the exporter itself waits and retries when the collector is
// overloaded, and spans are lost when that takes too long.
func (q *queue) send(ctx context.Context, batch []sdk.ReadOnlySpan) {
	before := q.counts()
	splits := maxSplits
	q.halves(ctx, batch, &splits)
	after := q.counts()
	if lost := after.Failed + after.Rejected + after.Dropped - before.Failed - before.Rejected - before.Dropped; lost > 0 && time.Since(q.warned) > warnEvery {
		q.warned = time.Now()
		q.log.Warn("spans of traces are lost; work is not affected", "failed", after.Failed, "rejected", after.Rejected, "dropped", after.Dropped)
	}
}

// halves exports spans. When the collector refuses them as invalid, it tries each half, so
// that one bad span does not lose the others.
func (q *queue) halves(ctx context.Context, spans []sdk.ReadOnlySpan, splits *int) {
	n := int64(len(spans))
	err := q.to.ExportSpans(ctx, spans)
	rejected, partly := partial(err)
	switch {
	case err == nil:
		q.exported.Add(n)
	case partly:
		q.rejected.Add(min(rejected, n))
		q.exported.Add(n - min(rejected, n))
	case !refused(err):
		q.failed.Add(n)
	case len(spans) > 1 && *splits > 1:
		*splits -= 2
		q.halves(ctx, spans[:len(spans)/2], splits)
		q.halves(ctx, spans[len(spans)/2:], splits)
	default:
		q.rejected.Add(n)
	}
}

// refused reports whether the collector refuses the content of a request. The exporter has no
// type for that: its error has the status line.
func refused(err error) bool {
	text := err.Error()
	for _, status := range []string{": 400 ", ": 413 ", ": 422 "} {
		if strings.Contains(text, "failed to send to ") && strings.Contains(text, status) {
			return true
		}
	}
	return false
}

var rejectedSpans = regexp.MustCompile(`OTLP partial success: .*\((\d+) spans rejected\)`)

// partial returns how many spans of a request the collector rejected, if it took the others.
func partial(err error) (n int64, ok bool) {
	if err == nil || errors.Is(err, context.Canceled) {
		return 0, false
	}
	m := rejectedSpans.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, false
	}
	n, err = strconv.ParseInt(m[1], 10, 64)
	return n, err == nil
}

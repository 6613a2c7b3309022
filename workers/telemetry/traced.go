package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/traces"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// traced makes a span of each call of the broker.
type traced struct {
	broker.Ledger
	spans *traces.Calls
}

func (t *traced) TryReserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error) {
	r, err := t.Ledger.TryReserve(ctx, c, limitMicroUSD)
	if err == nil {
		t.spans.Begin(ctx, c, r)
	}
	return r, err
}

func (t *traced) Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error) {
	b, err := t.Ledger.Settle(ctx, key, said)
	if err == nil {
		b.Used = said.Used // which the ledger does not return
		t.spans.End(key, b)
	}
	return b, err
}

// tracedGPU makes a span of each slice of GPU time of training.
type tracedGPU struct {
	train.GPULedger
	spans *traces.Calls
}

// CountedGPU returns the ledger of training with metrics and spans. A nil server returns it as it
// is.
func (s *Server) CountedGPU(l train.GPULedger) (train.GPULedger, error) {
	if s == nil || l == nil {
		return l, nil
	}
	if spans := s.traces.Calls(); spans != nil {
		l = &tracedGPU{l, spans}
	}
	if s.provider == nil {
		return l, nil
	}
	return s.countedGPU(l)
}

func (t *tracedGPU) Reserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error) {
	r, err := t.GPULedger.Reserve(ctx, c, limitMicroUSD)
	if err == nil {
		t.spans.Begin(ctx, c, r)
	}
	return r, err
}

func (t *tracedGPU) Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error) {
	b, err := t.GPULedger.Settle(ctx, key, said)
	if err == nil {
		b.Used = said.Used // which the ledger does not return
		t.spans.End(key, b)
	}
	return b, err
}

// countSpans adds the metric of the spans, if there are traces and metrics.
func (s *Server) countSpans() error {
	if s.traces == nil || s.provider == nil {
		return nil
	}
	_, err := s.meter().Int64ObservableCounter("cogflow.spans", metric.WithDescription("Spans of traces by what became of them; all but exported are lost."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			c := s.traces.Counts()
			for outcome, n := range map[string]int64{"exported": c.Exported, "dropped": c.Dropped, "failed": c.Failed, "rejected": c.Rejected} {
				o.Observe(n, metric.WithAttributes(attribute.String("outcome", outcome)))
			}
			return nil
		}))
	return err
}

package telemetry

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// calls counts what goes through a ledger, by kind, model and outcome. It does not count by tenant
// or job: the ledger itself answers that.
type calls struct {
	broker.Ledger
	mu   sync.Mutex
	open map[string]opened // by key

	ended   metric.Int64Counter
	cost    metric.Float64Counter
	tokens  metric.Int64Counter
	seconds metric.Float64Histogram
}

type opened struct {
	call  video.Call
	begun time.Time
}

// Counted returns the ledger with metrics and spans of its calls. A nil server returns it as it
// is.
func (s *Server) Counted(l broker.Ledger) (broker.Ledger, error) {
	if s == nil {
		return l, nil
	}
	if spans := s.traces.Calls(); spans != nil {
		l = &traced{Ledger: l, spans: spans}
	}
	if s.provider == nil {
		return l, nil
	}
	c := &calls{Ledger: l, open: map[string]opened{}}
	m := s.meter()
	var err error
	if c.ended, err = m.Int64Counter("cogflow.calls", metric.WithDescription("Calls of models that have ended, by outcome.")); err != nil {
		return nil, err
	}
	if c.cost, err = m.Float64Counter("cogflow.cost.usd", metric.WithDescription("US dollars at which calls of models were booked.")); err != nil {
		return nil, err
	}
	if c.tokens, err = m.Int64Counter("cogflow.tokens", metric.WithDescription("Tokens of ended calls: input (cached ones included), cached, output (reasoning included), reasoning.")); err != nil {
		return nil, err
	}
	if c.seconds, err = m.Float64Histogram("cogflow.call.duration", metric.WithUnit("s"), metric.WithDescription("From the reservation of a call to its settlement."),
		metric.WithExplicitBucketBoundaries(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)); err != nil {
		return nil, err
	}
	_, err = m.Int64ObservableGauge("cogflow.calls.in_flight", metric.WithDescription("Calls of models that are reserved and not settled."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for of, n := range c.inFlight() {
				o.Observe(n, metric.WithAttributes(of.attributes()...))
			}
			return nil
		}))
	return c, err
}

// model names what is called.
type model struct{ kind, name string }

func (m model) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("kind", m.kind), attribute.String("model", m.name)}
}

func (c *calls) inFlight() map[model]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := map[model]int64{}
	for _, o := range c.open {
		n[model{o.call.Kind, o.call.Model}]++
	}
	return n
}

func (c *calls) TryReserve(ctx context.Context, call video.Call, limitMicroUSD int64) (money.Reservation, error) {
	r, err := c.Ledger.TryReserve(ctx, call, limitMicroUSD)
	if err == nil {
		c.mu.Lock()
		c.open[r.Key] = opened{call, time.Now()}
		c.mu.Unlock()
	}
	return r, err
}

func (c *calls) Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error) {
	b, err := c.Ledger.Settle(ctx, key, said)
	if err != nil {
		return b, err
	}
	c.mu.Lock()
	one, first := c.open[key]
	delete(c.open, key)
	c.mu.Unlock()
	if first {
		of := model{one.call.Kind, one.call.Model}.attributes()
		c.cost.Add(ctx, usd(b.MicroUSD), metric.WithAttributes(of...))
		u := said.Used
		for which, n := range map[string]int64{"input": u.InputTokens, "cached": u.CachedTokens, "output": u.OutputTokens, "reasoning": u.ReasoningTokens} {
			if n > 0 {
				c.tokens.Add(ctx, n, metric.WithAttributes(append(slices.Clone(of), attribute.String("type", which))...))
			}
		}
		c.seconds.Record(ctx, time.Since(one.begun).Seconds(), metric.WithAttributes(of...))
		c.ended.Add(ctx, 1, metric.WithAttributes(append(of, attribute.String("outcome", string(b.Outcome)))...))
	}
	return b, nil
}

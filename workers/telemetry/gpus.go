package telemetry

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// Leases shows the leases of this process on the GPUs of its host. A nil server does nothing.
func (s *Server) Leases(table interface {
	Total() int
	Free() int
	Waiting() int
},
) error {
	if s == nil || s.provider == nil {
		return nil
	}
	_, err := s.meter().Int64ObservableGauge("cogflow.gpus", metric.WithDescription("GPUs of this host: that this process has leased, and that it has not; and callers that wait for one."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			total, free := table.Total(), table.Free()
			for state, n := range map[string]int{"leased": total - free, "not_leased": free, "waited_for": table.Waiting()} {
				o.Observe(int64(n), metric.WithAttributes(attribute.String("state", state)))
			}
			return nil
		}))
	return err
}

// countedGPU counts the GPU time of training by class. Base models are named by inputs, so they
// are no label.
type countedGPU struct {
	train.GPULedger
	seconds, cost metric.Float64Counter

	mu   sync.Mutex
	open map[string]string // class by key
}

func (s *Server) countedGPU(l train.GPULedger) (train.GPULedger, error) {
	c, m := &countedGPU{GPULedger: l, open: map[string]string{}}, s.meter()
	var err error
	if c.seconds, err = m.Float64Counter("cogflow.gpu.seconds", metric.WithDescription("Seconds of one GPU that training was booked.")); err != nil {
		return nil, err
	}
	c.cost, err = m.Float64Counter("cogflow.gpu.cost.usd", metric.WithDescription("US dollars at which GPU time of training was booked."))
	return c, err
}

func (c *countedGPU) Reserve(ctx context.Context, call video.Call, limitMicroUSD int64) (money.Reservation, error) {
	r, err := c.GPULedger.Reserve(ctx, call, limitMicroUSD)
	if err == nil {
		c.mu.Lock()
		c.open[r.Key] = call.GPU
		c.mu.Unlock()
	}
	return r, err
}

func (c *countedGPU) Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error) {
	b, err := c.GPULedger.Settle(ctx, key, said)
	if err != nil {
		return b, err
	}
	c.mu.Lock()
	class, first := c.open[key]
	delete(c.open, key)
	c.mu.Unlock()
	if first {
		of := metric.WithAttributes(attribute.String("class", class))
		c.seconds.Add(ctx, float64(said.Used.GPUMS)/1000, of)
		c.cost.Add(ctx, usd(b.MicroUSD), of)
	}
	return b, nil
}

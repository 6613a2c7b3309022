package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/cogniverse/cogflow/internal/modelserver"
)

// ModelServers adds the metrics of the model servers on demand of this process. A nil server does
// nothing.
func (s *Server) ModelServers(reports func() []modelserver.Report) error {
	if s == nil || s.provider == nil || reports == nil {
		return nil
	}
	m := s.meter()
	starts, err := m.Int64ObservableCounter("cogflow.model_server.starts", metric.WithDescription("Starts of model servers on demand."))
	if err != nil {
		return err
	}
	failures, err := m.Int64ObservableCounter("cogflow.model_server.failures", metric.WithDescription("Starts of model servers that failed, and servers that died."))
	if err != nil {
		return err
	}
	boot, err := m.Float64ObservableCounter("cogflow.model_server.cold_start", metric.WithUnit("s"), metric.WithDescription("Time that model servers took to become ready."))
	if err != nil {
		return err
	}
	idle, err := m.Float64ObservableCounter("cogflow.model_server.idle", metric.WithUnit("s"), metric.WithDescription("Time that model servers were ready without a request."))
	if err != nil {
		return err
	}
	requests, err := m.Int64ObservableGauge("cogflow.model_server.requests", metric.WithDescription("Requests of this process that model servers work on."))
	if err != nil {
		return err
	}
	up, err := m.Int64ObservableGauge("cogflow.model_server.up", metric.WithDescription("1 if a model server is ready."))
	if err != nil {
		return err
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, r := range reports() {
			of := metric.WithAttributes(attribute.String("server", r.Name))
			o.ObserveInt64(starts, int64(r.Starts), of)
			o.ObserveInt64(failures, int64(r.Failed), of)
			o.ObserveFloat64(boot, r.Boot.Seconds(), of)
			o.ObserveFloat64(idle, r.Idle.Seconds(), of)
			o.ObserveInt64(requests, int64(r.Users), of)
			ready := int64(0)
			if r.State == modelserver.Ready {
				ready = 1
			}
			o.ObserveInt64(up, ready, of)
		}
		return nil
	}, starts, failures, boot, idle, requests, up)
	return err
}

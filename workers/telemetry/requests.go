package telemetry

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Requests counts the HTTP requests of a gateway, by the names of OpenTelemetry's conventions. It
// does not count by tenant: a label for each would fill the memory of Prometheus.
type Requests struct {
	inFlight metric.Int64UpDownCounter
	seconds  metric.Float64Histogram
}

// Requests makes the metrics of a gateway.
func (s *Server) Requests() (*Requests, error) {
	r, m := &Requests{}, s.meter()
	var err error
	if r.inFlight, err = m.Int64UpDownCounter("http.server.active_requests", metric.WithDescription("HTTP requests in flight.")); err != nil {
		return nil, err
	}
	r.seconds, err = m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithDescription("HTTP requests, by route and status."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300))
	return r, err
}

// Began counts a request in flight.
func (r *Requests) Began() (end func(route string, status int, took time.Duration)) {
	ctx := context.Background()
	r.inFlight.Add(ctx, 1)
	return func(route string, status int, took time.Duration) {
		r.inFlight.Add(ctx, -1)
		r.seconds.Record(ctx, took.Seconds(), metric.WithAttributes(attribute.String("http.route", route), attribute.String("http.response.status_code", strconv.Itoa(status))))
	}
}

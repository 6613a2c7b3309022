// Package telemetry tells the state of a worker process over HTTP: metrics for Prometheus
// (/metrics), whether it lives (/healthz), and whether it takes work (/readyz). It also connects
// the traces of the process. Nothing in the product waits for it, and a scrape waits for nothing: what
// the ledger and the server know is read in the background. It knows no workflow.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	api "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/log"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/traces"
	"github.com/cogniverse/cogflow/panics"
)

// Options of a Server.
type Options struct {
	Address   string // host:port; "" = a free port of the loopback interface; off = no server
	Version   string // of the build
	Profiling bool   // also serve /debug/pprof/

	Getenv func(string) string // says where traces are sent; nil = nowhere
	Log    *slog.Logger
}

// Server is the HTTP server of one process.
type Server struct {
	listener net.Listener
	http     *http.Server
	provider *metric.MeterProvider
	traces   *traces.Traces         // nil = none are exported
	state    atomic.Pointer[string] // why the process takes no work; nil = it does
	stops    []func()               // of what reads in the background
	needs    needs
	work     panics.Group
}

// slow bounds a client of the server.
const slow = 10 * time.Second

// traceFlush bounds how long a process that ends waits for the collector of traces.
const traceFlush = 2 * time.Second

// Open starts the server and the traces, and connects both to a client of Temporal.
func Open(o Options, to *client.Options) (s *Server, err error) {
	s = &Server{}
	if o.Address != "off" {
		if s, err = Start(o); err != nil {
			return nil, err
		}
		to.MetricsHandler = s.Temporal()
		counted, err := s.activities()
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		to.Interceptors = append(to.Interceptors, counted)
		o.Log.Info("telemetry", "metrics", s.URL()+"/metrics")
	}
	if o.Getenv == nil {
		return s, nil
	}
	if s.traces, err = traces.Start(o.Getenv, traces.Options{Service: "cogflow-worker", Version: o.Version, Log: o.Log}); err == nil {
		err = s.countSpans()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.traces != nil {
		to.Interceptors = append(to.Interceptors, s.traces.Interceptors()...)
		lines := slog.New(s.traces.Handler(o.Log.Handler()))
		slog.SetDefault(lines)
		to.Logger = log.NewStructuredLogger(lines)
	}
	return s, nil
}

// Start serves until Close. The process is not ready until Ready is called.
func Start(o Options) (*Server, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	s := &Server{provider: metric.NewMeterProvider(metric.WithReader(reader))}
	if s.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", o.Address); err != nil {
		return nil, fault.Wrap(fault.Input, "serve telemetry at", o.Address,
			fmt.Errorf("%w; set cogflow.telemetry or COGFLOW_TELEMETRY to a free address, or to off", err))
	}
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cogflow_build_info", Help: "1; the label has the version of the build.",
		ConstLabels: prometheus.Labels{"version": o.Version},
	}, func() float64 { return 1 }))
	s.NotReady("starting")
	s.http = &http.Server{Handler: s.routes(registry, o.Profiling), ReadTimeout: slow, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	s.work.Go(func() error {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return s, nil
}

func (s *Server) routes(registry *prometheus.Registry, profiling bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: slow}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	if profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	return mux
}

// URL is the address of the server.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Ready says that the process takes work. A nil server does nothing.
func (s *Server) Ready() {
	if s != nil {
		s.state.Store(nil)
	}
}

// NotReady says why the process takes no work. A nil server does nothing.
func (s *Server) NotReady(why string) {
	if s != nil {
		s.state.Store(&why)
	}
}

// Temporal is where Temporal's SDK puts its metrics.
func (s *Server) Temporal() client.MetricsHandler {
	return opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                s.provider.Meter("temporal"),
		UseMonotonicCounters: true, // else Prometheus sees gauges, without _total
		// A metric that cannot be made is missing; it must not stop a worker.
		OnError: func(error) {},
	})
}

// Handler serves what the server of the process serves, for a program that has a server of its own.
func (s *Server) Handler() http.Handler { return s.http.Handler }

func (s *Server) meter() api.Meter { return s.provider.Meter("cogflow") }

// Close ends the server. A nil server does nothing.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	s.traces.Close(traceFlush)
	for _, stop := range s.stops {
		stop()
	}
	if s.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), slow)
	defer cancel()
	return errors.Join(s.http.Shutdown(ctx), s.work.Wait(), s.provider.Shutdown(ctx))
}

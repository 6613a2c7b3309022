package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/door"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
	"github.com/cogniverse/cogflow/internal/gateway/mcp"
	"github.com/cogniverse/cogflow/internal/gateway/openai"
	"github.com/cogniverse/cogflow/internal/gateway/page"
	"github.com/cogniverse/cogflow/internal/gateway/pools"
	"github.com/cogniverse/cogflow/internal/gateway/upstream"
	"github.com/cogniverse/cogflow/internal/gateway/versions"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/workers/telemetry"
)

// serve serves until ctx ends, then drains.
func serve(ctx context.Context, c config.Config, getenv func(string) string, log *slog.Logger) (err error) {
	t, err := telemetry.Start(telemetry.Options{Address: telemetryAddress(c), Version: version, Profiling: c.PProf})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	requests, err := t.Requests()
	if err != nil {
		return err
	}
	if file := c.LedgerFile(); file != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return fault.Disk("make the directory of the keys", filepath.Dir(file), err)
		}
	}
	store, err := keys.Open(ctx, c.Ledger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	calls, err := ledger.Open(c.Ledger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, calls.Close()) }()
	counted, err := t.Counted(calls)
	if err != nil {
		return err
	}
	temporal, server, err := lazy(c, getenv)
	if err != nil {
		return err
	}
	defer temporal.Close()
	own := host{temporal: temporal, namespace: server.Namespace, log: log}
	onDemand, err := servers(c, getenv, own)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, onDemand.Close()) }() // after the broker, whose calls use them
	b := broker.New(broker.Options{Ledger: counted, Log: log, Up: onDemand.Up})
	defer func() { err = errors.Join(err, b.Close()) }() // before the ledger, which books open calls as lost

	models := upstream.New(c, getenv, program.Redactor(c, getenv), b)
	work, files := openJobs(c, temporal, server, log)
	workers := newAsker(getenv, temporal, server)
	background, end := context.WithCancel(ctx)
	batches := openGuide(c, models, work)
	uploaded, described := sweeping(background, "uploads", files.Sweep, log), sweeping(background, "frames of batches", batches.Sweep, log)
	defer func() { end(); err = errors.Join(err, uploaded(), described()) }()
	videos, err := openLibrary(c, server.Address, workers)
	if err != nil {
		return err
	}
	routes, err := table(t.Handler(), log, &openai.API{Server: models}, batches, work, files, openAdapters(c), videos,
		&versions.API{Workers: workers}, &pools.API{Ask: workers.pools, Servers: owners{workers, own}}, openAccounts(c, calls, temporal), page.Page{})
	if err != nil {
		return err
	}
	d := door.New(door.Options{Config: c.Gateway, Routes: routes, Keys: keys.NewCache(store), Meter: requests, Log: log})
	fatal := make(chan error, len(c.Gateway.Listeners))
	if err := d.Listen(ctx, func(err error) { fatal <- err }); err != nil {
		return err
	}
	addresses := d.Addresses()
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		log.Info("listening", "listener", name, "address", addresses[name])
	}
	log.Info("ready")
	t.Ready()
	select {
	case <-ctx.Done():
		log.Info("draining: no new requests", "at_most", c.Gateway.Drain)
	case err = <-fatal:
	}
	t.NotReady("draining")
	return errors.Join(err, d.Shutdown(c.Gateway.Drain))
}

// telemetryAddress is where the process serves its metrics besides its listeners, which do so only
// on this host.
func telemetryAddress(c config.Config) string {
	if c.Telemetry == "off" {
		return ""
	}
	return c.Telemetry
}

// table is the table of all routes. A package of routes is added here and nowhere else.
func table(state http.Handler, log *slog.Logger, parts ...interface{ Routes() []api.Route }) ([]api.Route, error) {
	routes := probes(state)
	for _, part := range parts {
		routes = append(routes, part.Routes()...)
	}
	routes = append(routes, mcp.New(routes, version, log).Routes()...)
	documents := map[bool][]byte{} // by whether the listener requires a key
	routes = append(routes, api.Route{
		Method: http.MethodGet, Path: "/openapi.json", Name: "openapi", Tag: "gateway", Summary: "This document", Public: true, Response: map[string]any{},
		Handle: func(w http.ResponseWriter, _ *http.Request, c api.Caller) error {
			w.Header().Set("Content-Type", "application/json")
			_, err := w.Write(documents[c.Keyed])
			return err
		},
	})
	for _, keyed := range []bool{false, true} {
		out, err := api.OpenAPI("cogflow", version, routes, keyed)
		if err != nil {
			return nil, err
		}
		if documents[keyed], err = json.Marshal(out); err != nil {
			return nil, err
		}
	}
	return routes, nil
}

// probes are the routes about the process.
func probes(state http.Handler) []api.Route {
	served := func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
		if r.URL.Path == "/metrics" && !c.Local {
			return api.Fail(http.StatusNotFound, "not_found", "this listener does not serve metrics; see cogflow.telemetry")
		}
		state.ServeHTTP(w, r)
		return nil
	}
	probe := func(path, name, summary string) api.Route {
		return api.Route{Method: http.MethodGet, Path: path, Name: name, Tag: "gateway", Summary: summary, Public: true, Media: "text/plain", Handle: served}
	}
	ready := probe("/readyz", "ready", "Whether the gateway takes requests")
	ready.Errors = []int{http.StatusServiceUnavailable}
	metrics := probe("/metrics", "metrics", "Metrics for Prometheus, on listeners that only this host can reach")
	metrics.Errors = []int{http.StatusNotFound}
	return []api.Route{probe("/healthz", "alive", "Whether the gateway lives"), ready, metrics}
}

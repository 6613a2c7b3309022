package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/frames"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/placing"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/ffmpeg"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/internal/report"
	ingestreport "github.com/cogniverse/cogflow/internal/report/ingest"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/adapterservers"
	"github.com/cogniverse/cogflow/workers/alerts"
	"github.com/cogniverse/cogflow/workers/capacity"
	"github.com/cogniverse/cogflow/workers/draining"
	"github.com/cogniverse/cogflow/workers/gpus"
	"github.com/cogniverse/cogflow/workers/ondemand"
	"github.com/cogniverse/cogflow/workers/scratch"
	"github.com/cogniverse/cogflow/workers/telemetry"
)

// wire builds the parts that the pools require and passes them to the activities. If a part
// cannot be built, the parts built before are closed. Without a telemetry server, nothing is
// counted.
func wire(ctx context.Context, c config.Config, getenv func(string) string, pools []pool, class string, temporal client.Client, local bool, t *telemetry.Server, limit draining.Limit) (implementations, func() error, error) {
	h := &health{config: c, parts: partsOf(pools), telemetry: t, drain: limit}
	built, err := h.build(ctx, getenv, pools, class, temporal, local)
	if err != nil {
		return implementations{}, nil, errors.Join(err, h.opened.close())
	}
	return built, h.opened.close, nil
}

// spread is broker.Options.Spread. Tests with faulty endpoints shorten it.
var spread time.Duration //nolint:gochecknoglobals // see above

// closers are the functions that close parts, in the order of opening.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

// close closes all parts, the last opened first. The zero value is empty.
func (c *closers) close() error {
	var errs []error
	for _, f := range slices.Backward(*c) {
		errs = append(errs, f())
	}
	*c = nil
	return errors.Join(errs...)
}

func (h *health) build(ctx context.Context, getenv func(string) string, pools []pool, class string, temporal client.Client, local bool) (_ implementations, err error) {
	c := h.config
	a := &ingest.Activities{
		Runs: runs{temporal}, Report: ingestreport.Render, Thumb: report.Thumb, Version: version, Unsandboxed: c.NoSandbox,
	}
	h.ingest = a
	h.servers = serversOf(c)
	h.gpus = gpus.New(ctx, gpus.Options{
		Configured: c.Training.GPUs, Class: class, Open: gpus.Open,
		Made: func(table *lease.Table) error { return h.telemetry.Leases(table) },
	})
	h.opened.add(h.gpus.Close)
	for i, plugins := 0, h.gpus.Plugins(ctx); i < len(pools); i++ {
		if pools[i].class {
			pools[i].plugins = plugins
		}
	}
	store, err := blob.Open(ctx, c.Store)
	if err != nil {
		return implementations{}, err
	}
	a.Store = activities.Confined(store)
	h.telemetry.Reaches(temporal, store)
	h.servers.memory.Store = store
	h.servers.learned.Open(store)
	h.opened.add(h.servers.learned.Close)
	if h.parts.have(partPreview) {
		if err := h.preview(ctx); err != nil {
			return implementations{}, err
		}
		a.Profiles = profiles(c, h.describer)
	}
	a.Pictured = video.Pictured(c.Profiles())
	a.Placing = &placing.Rules{All: c.Placement, Workers: capacity.Of(temporal)}
	if h.models, err = newModels(c, getenv, h.describer, h.parts, h.servers); err != nil {
		return implementations{}, err
	}
	a.Describer, a.Embedder, a.Transcriber = describing{h.models}, embedding{h.models}, transcribing{h.models}
	if h.parts.have(partScratch) {
		dir, err := scratch.Open(c.Scratch, func(op, path string, err error) error {
			return unusable(op, path, "cogflow.scratch or COGFLOW_SCRATCH", err)
		})
		if err != nil {
			return implementations{}, err
		}
		h.opened.add(dir.Close)
		a.Scratch = dir.Path
	}
	adapters := &registry.Adapters{Store: a.Store, Serving: adapterservers.New(c, getenv, program.Redactor(c, getenv), missingKey)}
	if h.parts.have(partLedger) {
		calls, err := h.openLedger()
		if err != nil {
			return implementations{}, err
		}
		counted, err := h.telemetry.Counted(calls)
		if err != nil {
			return implementations{}, err
		}
		if h.owned, err = ondemand.New(ondemand.Options{
			Config: c, Getenv: getenv, Class: class, GPUs: h.gpus.Table, Devices: h.gpus.Devices, Redactor: h.models.redactor, Ledger: counted, Restore: ondemand.Restorer(store.Owners, adapters),
		}); err != nil {
			return implementations{}, err
		}
		if err := h.telemetry.ModelServers(h.owned.Reports()); err != nil {
			return implementations{}, errors.Join(err, h.owned.Close())
		}
		h.opened.add(h.owned.Close) // after the broker, whose calls need the servers
		b := broker.New(broker.Options{Ledger: counted, Endpoint: h.servers.called, Spread: spread, Up: h.owned.Up})
		if err := h.watchBudgets(getenv, temporal, calls); err != nil {
			return implementations{}, err
		}
		h.opened.add(b.Close) // before the ledger, because a closing ledger books open calls as lost
		a.Ledger, a.Broker, h.models.book, h.prove = calls, b, b.Payer, b.Prove
		h.telemetry.Books(calls)
	}
	if h.parts.have(partIndex) {
		if a.Index, err = h.openIndex(); err != nil {
			return implementations{}, err
		}
		a.IndexName = indexName(c)
	}
	if h.parts.have(partMedia) {
		if err := h.media(ctx, c); err != nil {
			return implementations{}, err
		}
		a.Media = h.ffmpeg
		if a.Sources, err = source.New(program.Sources(c, local, a.Scratch, a.Store)); err != nil {
			return implementations{}, err
		}
	}
	t, err := h.training(ctx, c, getenv, pools)
	if err != nil {
		return implementations{}, err
	}
	o, err := h.optimizing(ctx, c, getenv)
	if err != nil {
		return implementations{}, err
	}
	adapters = &registry.Adapters{Store: a.Store, Serving: h.owned.Serving(adapters.Serving)}
	if !h.parts.have(partServing) {
		adapters.Serving = nil
	}
	t.Placing = a.Placing
	return implementations{
		ingest: a, train: t, optimize: o, adapters: adapters, programs: &registry.Programs{Store: a.Store},
		frames: &frames.Activities{Store: a.Store, Broker: a.Broker, Ledger: a.Ledger, Describer: a.Describer, Profiles: h.profiles()},
		health: &activities.Health{Checks: h.checks}, hosts: cmp.Or(h.owned.Activities(), ondemand.WithoutServers(class, h.gpus.Devices)),
	}, nil
}

// watchBudgets tells of budgets that are spent. The workers of the pool cogflow do that.
func (h *health) watchBudgets(getenv func(string) string, temporal client.Client, l *ledger.Ledger) error {
	if !h.parts.have(partServing) {
		return nil
	}
	w, err := alerts.Start(alerts.Options{Config: h.config.Alerts, Getenv: getenv, Ledger: l, Temporal: temporal, Log: slog.Default()})
	if err != nil {
		return err
	}
	h.opened.add(w.Close)
	return h.telemetry.Budgets(w.Budgets)
}

// openLedger opens the ledger, a file or a PostgreSQL database.
func (h *health) openLedger() (*ledger.Ledger, error) {
	if path := h.config.LedgerFile(); path != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, unusable("make the directory of the ledger", path, "cogflow.ledger or COGFLOW_LEDGER", err)
		}
	}
	l, err := ledger.Open(h.config.Ledger)
	if err != nil {
		return nil, err
	}
	h.opened.add(l.Close)
	return l, nil
}

// index is a search index with a Close method.
type index interface {
	ingest.Index
	Close() error
}

// openIndex opens the embedded index, or Vespa if it is configured.
func (h *health) openIndex() (ingest.Index, error) {
	open := h.openVespa
	if h.config.Vespa == nil {
		open = h.openFile
	}
	x, err := open()
	if err != nil {
		return nil, err
	}
	h.opened.add(x.Close)
	return x, nil
}

// indexName returns the name of the index in reports, which has no address.
func indexName(c config.Config) string {
	if c.Vespa != nil {
		return "Vespa"
	}
	return "SQLite, " + filepath.Base(c.Index)
}

func (h *health) openFile() (index, error) {
	path := h.config.Index
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unusable("make the directory of the index", path, "cogflow.index or COGFLOW_INDEX", err)
	}
	x, err := sqlite.Open(path)
	if err != nil {
		return nil, err // an interface with a nil pointer is not nil
	}
	return x, nil
}

func (h *health) openVespa() (index, error) {
	c := h.config
	tenants := make([]tenant.ID, len(c.Vespa.Tenants))
	for i, t := range c.Vespa.Tenants {
		tenants[i] = tenant.ID(t)
	}
	x, err := vespa.Open(vespa.Options{URL: c.Vespa.URL, Tenants: tenants, Profiles: c.Profiles()})
	if err != nil {
		return nil, err
	}
	h.vespa = x
	return x, nil
}

// media builds the parts that decode untrusted files.
func (h *health) media(ctx context.Context, c config.Config) (err error) {
	box, err := h.confine(ctx)
	if err != nil {
		return err
	}
	h.ffmpeg, err = ffmpeg.New(ctx, ffmpeg.Config{FFmpeg: c.FFmpeg, FFprobe: c.FFprobe, Sandbox: box})
	return err
}

// preview makes the built-in describer. A worker that describes no frames only needs its
// revision: tesseract then reads no untrusted input and requires no bubblewrap.
func (h *health) preview(ctx context.Context) error {
	o := preview.Options{Tesseract: tesseract(h.config)}
	var err error
	switch {
	case o.Tesseract == preview.NoTesseract:
	case h.parts.have(partDescribers):
		o.Sandbox, err = h.confine(ctx)
	default:
		o.Sandbox, err = sandbox.New(ctx, sandbox.Config{Off: true})
	}
	if err == nil {
		h.describer, err = preview.NewDescriber(ctx, o)
	}
	return err
}

// confine makes the sandbox once for all untrusted input of this worker.
func (h *health) confine(ctx context.Context) (_ *sandbox.Sandbox, err error) {
	if h.sandbox == nil {
		h.sandbox, err = sandbox.New(ctx, sandbox.Config{Off: h.config.NoSandbox, Private: private(h.config)})
	}
	return h.sandbox, err
}

// private lists the paths that are hidden from sandboxes.
func private(c config.Config) []string {
	own := append(program.OwnFiles(c), program.ServerState())
	if home, err := os.UserHomeDir(); err == nil {
		own = append(own, home)
	}
	return own
}

// tesseract returns the configured path, or "" for the default. With the default, tesseract is
// used if it is installed, and its absence is not an error.
func tesseract(c config.Config) string {
	if c.Tesseract == "tesseract" {
		return ""
	}
	return c.Tesseract
}

// profiles lists all profiles of this worker.
func (h *health) profiles() []video.Profile {
	all := h.config.Profiles()
	for i, p := range all {
		if p.Describe.Model == preview.DescriberModel && h.describer != nil {
			all[i].Describe.Revision = h.describer.Revision()
		}
	}
	return all
}

// profiles sets the revision of the preview describer, which depends on the installed
// tesseract.
func profiles(c config.Config, d *preview.Describer) func(string) (video.Profile, error) {
	return func(name string) (video.Profile, error) {
		p, err := c.Profile(name)
		if p.Describe.Model == preview.DescriberModel {
			p.Describe.Revision = d.Revision()
		}
		return p, err
	}
}

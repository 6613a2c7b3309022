package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/fetch"
	"github.com/cogniverse/cogflow/internal/ffmpeg"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/internal/report"
	ingestreport "github.com/cogniverse/cogflow/internal/report/ingest"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// wire builds what the pools need, and only that, and hands it to the activities.
// When one part cannot be built, those built before it are closed.
func wire(ctx context.Context, c config.Config, getenv func(string) string, pools []pool, class string, temporal client.Client, local bool) (hands, func() error, error) {
	h := &health{config: c, parts: partsOf(pools)}
	built, err := h.build(ctx, getenv, pools, class, temporal, local)
	if err != nil {
		return hands{}, nil, errors.Join(err, h.opened.close())
	}
	return built, h.opened.close, nil
}

// spread is broker.Options.Spread. Tests of whole workers, whose endpoints answer
// badly for a moment, shorten it.
var spread time.Duration //nolint:gochecknoglobals // see above

// closers are what has to be closed, in the order in which it was opened.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

// close closes all of it, the last first. The zero value has nothing to close.
func (c *closers) close() error {
	var errs []error
	for _, f := range slices.Backward(*c) {
		errs = append(errs, f())
	}
	*c = nil
	return errors.Join(errs...)
}

func (h *health) build(ctx context.Context, getenv func(string) string, pools []pool, class string, temporal client.Client, local bool) (_ hands, err error) {
	c := h.config
	a := &ingest.Activities{
		Runs: runs{temporal}, Report: ingestreport.Render, Thumb: report.Thumb, Version: version, Unsandboxed: c.NoSandbox,
	}
	h.ingest = a
	h.servers = serversOf(c)
	store, err := blob.Open(ctx, c.Store)
	if err != nil {
		return hands{}, err
	}
	a.Store = activities.Confined(store)
	if h.parts.have(partPreview) {
		if err := h.preview(ctx); err != nil {
			return hands{}, err
		}
		a.Profiles = profiles(c, h.describer)
	}
	if h.models, err = newModels(c, getenv, h.describer, h.parts, h.servers); err != nil {
		return hands{}, err
	}
	a.Describer, a.Embedder, a.Transcriber = describing{h.models}, embedding{h.models}, transcribing{h.models}
	if h.parts.have(partScratch) {
		scratch, err := openScratch(c.Scratch)
		if err != nil {
			return hands{}, err
		}
		h.opened.add(scratch.close)
		a.Scratch = scratch.dir
	}
	if h.parts.have(partLedger) {
		calls, err := h.openLedger()
		if err != nil {
			return hands{}, err
		}
		b := broker.New(broker.Options{Ledger: calls, Endpoint: h.servers.of, Spread: spread})
		h.opened.add(b.Close) // before the ledger, which books what is open then as lost
		a.Ledger, a.Broker, h.models.book = calls, b, b.Payer
	}
	if h.parts.have(partIndex) {
		if a.Index, err = h.openIndex(); err != nil {
			return hands{}, err
		}
		a.IndexName = indexName(c)
	}
	if h.parts.have(partMedia) {
		if err := h.media(ctx, c); err != nil {
			return hands{}, err
		}
		a.Media = h.ffmpeg
		if a.Sources, err = source.New(sources(c, local, a.Scratch)); err != nil {
			return hands{}, err
		}
	}
	t, err := h.training(ctx, c, getenv, pools, class)
	if err != nil {
		return hands{}, err
	}
	o, err := h.optimizing(ctx, c, getenv)
	if err != nil {
		return hands{}, err
	}
	adapters := &registry.Adapters{Store: a.Store}
	if h.parts.have(partServing) {
		adapters.Serving = newServers(c, getenv)
	}
	return hands{
		ingest: a, train: t, optimize: o, adapters: adapters, programs: &registry.Programs{Store: a.Store},
		health: &activities.Health{Checks: h.checks},
	}, nil
}

// openLedger opens the file of the paid calls.
func (h *health) openLedger() (*ledger.Ledger, error) {
	path := h.config.Ledger
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unusable("make the directory of the ledger", path, "cogflow.ledger or COGFLOW_LEDGER", err)
	}
	l, err := ledger.Open(path)
	if err != nil {
		return nil, err
	}
	h.opened.add(l.Close)
	return l, nil
}

// index is a search index that has to be closed.
type index interface {
	ingest.Index
	Close() error
}

// openIndex opens the embedded index, or Vespa where the configuration says so.
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

// indexName is what people read of the index in reports; it has no address.
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
		return nil, err // an index that holds a nil pointer is not nil
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

// media makes what decodes untrusted files.
func (h *health) media(ctx context.Context, c config.Config) (err error) {
	box, err := h.confine(ctx)
	if err != nil {
		return err
	}
	h.ffmpeg, err = ffmpeg.New(ctx, ffmpeg.Config{FFmpeg: c.FFmpeg, FFprobe: c.FFprobe, Sandbox: box})
	return err
}

// preview makes the built-in describer. Where no frame is described, only its revision is
// asked for: tesseract then reads nothing that is untrusted and needs no bubblewrap.
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

// confine makes the sandbox, once for all that is untrusted here.
func (h *health) confine(ctx context.Context) (_ *sandbox.Sandbox, err error) {
	if h.sandbox == nil {
		h.sandbox, err = sandbox.New(ctx, sandbox.Config{Off: h.config.NoSandbox, Private: private(h.config)})
	}
	return h.sandbox, err
}

// private are paths that nothing in a sandbox may see.
func private(c config.Config) []string {
	own := append(ownFiles(c), serverState())
	if home, err := os.UserHomeDir(); err == nil {
		own = append(own, home)
	}
	return own
}

// serverState is how the paths of the files begin that a Temporal dev server keeps here.
func serverState() string {
	path := devserver.StatePrefix(stateDir)
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// tesseract is empty unless another path is configured: then it is
// used where it is installed, and its absence is no error.
func tesseract(c config.Config) string {
	if c.Tesseract == "tesseract" {
		return ""
	}
	return c.Tesseract
}

// profiles completes the revision of the preview describer, which depends on
// the tesseract that this host has.
func profiles(c config.Config, d *preview.Describer) func(string) (video.Profile, error) {
	return func(name string) (video.Profile, error) {
		p, err := c.Profile(name)
		if p.Describe.Model == preview.DescriberModel {
			p.Describe.Revision = d.Revision()
		}
		return p, err
	}
}

// sources confines reading to the configured roots. Without any, every local
// path may be read, but only by a worker whose Temporal server is on loopback:
// no other process can request it.
func sources(c config.Config, local bool, scratch string) source.Config {
	out := source.Config{
		Roots: map[tenant.ID][]string{}, MaxBytes: c.MaxFetchBytes, AnyLocal: len(c.Sources) == 0 && local,
		Scratch: scratch, S3Query: c.FetchS3, Fetch: fetch.Options{Allowed: c.FetchAllowed},
	}
	out.Private, out.PrivatePrefixes = ownFiles(c), []string{serverState()}
	if strings.HasPrefix(c.Store, "s3:") {
		out.PrivateS3 = c.Store
	}
	for t, roots := range c.Sources {
		out.Roots[tenant.ID(t)] = roots
	}
	return out
}

// ownFiles are the files and folders of cogflow itself on this host.
func ownFiles(c config.Config) []string {
	own := []string{c.Ledger, c.Scratch}
	if c.Index != "" {
		own = append(own, c.Index)
	}
	if c.Logs != "" {
		own = append(own, c.Logs)
	}
	if u, err := url.Parse(c.Store); err == nil && u.Scheme != "s3" && u.Path != "" {
		own = append(own, u.Path)
	}
	return own
}

// loopback reports whether an address names this machine.
func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

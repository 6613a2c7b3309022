package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/fetch"
	"github.com/cogniverse/cogflow/internal/ffmpeg"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// wire builds the adapters that the pools need and hands them to the activities.
func wire(ctx context.Context, c config.Config, getenv func(string) string, pools []pool, class string, temporal client.Client, local bool) (_ hands, closeAll func() error, err error) {
	var closers []func() error
	closeAll = func() error {
		var errs []error
		for _, f := range slices.Backward(closers) {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	serves := func(names ...string) bool {
		return slices.ContainsFunc(pools, func(p pool) bool { return slices.Contains(names, p.name) })
	}
	a := &activities.Ingest{
		Runs: runs{temporal}, Report: report.Render, Thumb: report.Thumb, Version: version,
	}
	h := &health{ingest: a, config: c}
	a.Checks = h.checks
	if a.Store, err = blob.Open(ctx, c.Store); err != nil {
		return hands{}, nil, err
	}
	if h.describer, err = preview.NewDescriber(ctx, preview.Options{Tesseract: tesseract(c)}); err != nil {
		return hands{}, nil, err
	}
	if h.models, err = newModels(c, getenv, h.describer); err != nil {
		return hands{}, nil, err
	}
	a.Describer, a.Embedder, a.Transcriber = describing{h.models}, embedding{h.models}, transcribing{h.models}
	a.Profiles = profiles(c, h.describer)
	scratch, err := openScratch(c.Scratch)
	if err != nil {
		return hands{}, nil, err
	}
	closers = append(closers, scratch.close)
	a.Scratch = scratch.dir
	if serves(workflows.QueueMain, workflows.QueueMedia, workflows.StemDescribe, workflows.StemTrain, workflows.QueueLM) {
		if err := os.MkdirAll(filepath.Dir(c.Ledger), 0o700); err != nil {
			return hands{}, nil, fault.Wrap(fault.Capacity, "make directory of the ledger", c.Ledger, err)
		}
		l, err := ledger.Open(c.Ledger)
		if err != nil {
			return hands{}, nil, err
		}
		a.Ledger, closers = l, append(closers, l.Close)
	}
	if serves(workflows.QueueIndex) {
		x, err := h.openIndex(c)
		if err != nil {
			return hands{}, nil, err
		}
		a.Index, closers = x, append(closers, x.Close)
	}
	if serves(workflows.QueueMedia) {
		if err := h.media(ctx, c); err != nil {
			return hands{}, nil, err
		}
		a.Media = h.ffmpeg
		if a.Sources, err = source.New(sources(c, local, scratch.dir)); err != nil {
			return hands{}, nil, err
		}
	}
	t, err := h.training(ctx, c, getenv, pools, class)
	if err != nil {
		return hands{}, nil, err
	}
	o, err := h.optimizing(ctx, c, getenv)
	if err != nil {
		return hands{}, nil, err
	}
	return hands{ingest: a, train: t, optimize: o}, closeAll, nil
}

// index is a search index that has to be closed.
type index interface {
	activities.Index
	Close() error
}

// openIndex opens the embedded index, or Vespa where the configuration says so.
func (h *health) openIndex(c config.Config) (index, error) {
	if c.Vespa == nil {
		if err := os.MkdirAll(filepath.Dir(c.Index), 0o700); err != nil {
			return nil, fault.Wrap(fault.Capacity, "make directory of the index", c.Index, err)
		}
		return sqlite.Open(c.Index)
	}
	tenants := make([]tenant.ID, len(c.Vespa.Tenants))
	for i, t := range c.Vespa.Tenants {
		tenants[i] = tenant.ID(t)
	}
	x, err := vespa.Open(vespa.Options{URL: c.Vespa.URL, Tenants: tenants, Profiles: c.Profiles()})
	h.vespa = x
	return x, err
}

// media makes what decodes untrusted files.
func (h *health) media(ctx context.Context, c config.Config) (err error) {
	h.sandbox, err = sandbox.New(ctx, sandbox.Config{Require: c.RequireSandbox})
	if err != nil {
		return err
	}
	h.ffmpeg, err = ffmpeg.New(ctx, ffmpeg.Config{FFmpeg: c.FFmpeg, FFprobe: c.FFprobe, Sandbox: h.sandbox})
	return err
}

// tesseract is empty when nobody named another than the default: then it is
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
// nobody else can ask it to.
func sources(c config.Config, local bool, scratch string) source.Config {
	out := source.Config{
		Roots: map[tenant.ID][]string{}, MaxBytes: c.MaxFetchBytes, AnyLocal: len(c.Sources) == 0 && local,
		Scratch: scratch, S3Query: c.FetchS3, Fetch: fetch.Options{Allowed: c.FetchAllowed},
	}
	for t, roots := range c.Sources {
		out.Roots[tenant.ID(t)] = roots
	}
	return out
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

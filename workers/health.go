package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/ffmpeg"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/internal/trainer"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workers/draining"
	"github.com/cogniverse/cogflow/workers/gpus"
	"github.com/cogniverse/cogflow/workers/ondemand"
	"github.com/cogniverse/cogflow/workers/parameters"
	"github.com/cogniverse/cogflow/workers/telemetry"
)

// health builds the parts of this worker and checks them.
type health struct {
	ingest    *ingest.Activities
	config    config.Config
	parts     parts              // parts that the pools of this worker use
	opened    closers            // parts to close at the end
	describer *preview.Describer // nil = no pool of this worker uses it
	models    *models
	servers   modelServers
	owned     *ondemand.Servers // nil = none are configured
	gpus      *gpus.GPUs
	prove     parameters.Pay
	prover    *parameters.Prover // nil = this worker calls no language models
	trainer   *trainer.Runner    // nil = this worker does not serve the pool train
	vespa     *vespa.Index       // nil = the embedded index, or this worker does not serve the pool index
	sandbox   *sandbox.Sandbox   // nil = this worker runs nothing untrusted
	telemetry *telemetry.Server  // nil = off
	ffmpeg    *ffmpeg.Tool       // nil = this worker does not serve the pool media
	drain     draining.Limit
}

const (
	statusOK   = "ok"
	statusWarn = "warn"
	statusFail = "fail"
	lowDisk    = 5 << 30 // bytes

	endpointPatience = 20 * time.Second
)

func (h *health) checks(ctx context.Context, in activities.HealthInput) []activities.HealthCheck {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	out := []activities.HealthCheck{{Part: "worker", Status: statusOK, Detail: fmt.Sprintf("cogflow %s on %s, process %d", version, host, os.Getpid())}}
	drains := activities.HealthCheck{Part: "drain", Status: statusOK, Detail: h.drain.String()}
	if h.drain.Reason != "" {
		drains.Status = statusWarn
	}
	out = append(out, drains)
	if h.ffmpeg != nil {
		out = append(out, activities.HealthCheck{Part: "ffmpeg", Status: statusOK, Detail: h.ffmpeg.Version()})
	}
	if h.sandbox != nil {
		out = append(out, h.protection())
	}
	if h.describer != nil {
		out = append(out, h.text())
	}
	out = append(out, h.store(ctx))
	if h.ingest.Scratch != "" {
		out = append(out, h.disk())
	}
	out = append(out, h.gpus.Checks(ctx)...)
	if h.trainer != nil {
		out = append(out, h.libraries(ctx))
	}
	if h.vespa != nil {
		out = append(out, verdict("vespa", "every schema is deployed", h.vespa.Check(ctx)))
	}
	out = append(out, h.endpoints(ctx)...)
	if in.Ask && h.prover != nil {
		out = append(out, h.proofs(ctx)...)
	}
	for i, check := range out { // results of checks become part of a history
		out[i].Detail = h.models.redactor.Line(check.Detail, safetext.MaxReason)
	}
	return out
}

// endpoints checks all model servers concurrently.
func (h *health) endpoints(ctx context.Context) []activities.HealthCheck {
	ctx, cancel := context.WithTimeout(ctx, endpointPatience)
	defer cancel()
	out := make([]activities.HealthCheck, len(h.models.checks))
	var group panics.Group
	for i, c := range h.models.checks {
		group.Go(func() error {
			if detail, asleep, err := h.owned.Asleep(c.endpoint.Server()); asleep {
				out[i] = verdict("endpoint "+c.endpoint.Name, detail, err)
				return nil
			}
			// The address is omitted, because results of workflows are kept in histories.
			out[i] = verdict("endpoint "+c.endpoint.Name, parameters.Models(ctx, c.endpoint, h.servers.params[c.endpoint.Name]), panics.Try(func() error { return c.ask(ctx) }))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		out = append(out, verdict("endpoints", "", err))
	}
	if err := h.servers.learned.Err(); err != nil {
		out = append(out, activities.HealthCheck{Part: "learned limits", Status: statusWarn, Detail: err.Error()})
	}
	if err := h.owned.Unbooked(); err != nil {
		out = append(out, activities.HealthCheck{Part: "model server costs", Status: statusWarn, Detail: err.Error()})
	}
	if err := h.servers.memory.Err(); err != nil {
		out = append(out, activities.HealthCheck{Part: "refused parameters", Status: statusWarn, Detail: err.Error()})
	}
	return out
}

// proofs asks the chat models.
func (h *health) proofs(ctx context.Context) (out []activities.HealthCheck) {
	all, err := h.prover.All(ctx)
	for _, p := range all {
		out = append(out, verdict("model "+p.Model, p.Accepts, p.Err))
	}
	if err != nil {
		out = append(out, verdict("models", "", err))
	}
	return out
}

func verdict(part, detail string, err error) activities.HealthCheck {
	if err != nil {
		return activities.HealthCheck{Part: part, Status: statusFail, Detail: err.Error()}
	}
	return activities.HealthCheck{Part: part, Status: statusOK, Detail: detail}
}

// libraries checks the libraries of the trainer. A missing trainer is only a warning, because
// most workers never train.
func (h *health) libraries(ctx context.Context) activities.HealthCheck {
	ctx, cancel := context.WithTimeout(ctx, endpointPatience)
	defer cancel()
	versions, err := h.trainer.Check(ctx)
	if err != nil {
		return activities.HealthCheck{Part: "trainer", Status: statusWarn, Detail: err.Error()}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		parts = append(parts, name+" "+versions[name])
	}
	return activities.HealthCheck{Part: "trainer", Status: statusOK, Detail: strings.Join(parts, ", ")}
}

func (h *health) protection() activities.HealthCheck {
	p := h.sandbox.Protection()
	status := statusOK
	if !p.Bubblewrap || p.Processes == "" {
		status = statusWarn
	}
	return activities.HealthCheck{Part: "sandbox", Status: status, Detail: p.String()}
}

func (h *health) text() activities.HealthCheck {
	if h.config.Tesseract == preview.NoTesseract {
		return activities.HealthCheck{
			Part: "tesseract", Status: statusWarn,
			Detail: "switched off by configuration: preview captions have no on-screen text; unset COGFLOW_TESSERACT",
		}
	}
	if !h.describer.ReadsText() {
		return activities.HealthCheck{
			Part: "tesseract", Status: statusWarn,
			Detail: "not installed: preview captions have no on-screen text; apt-get install tesseract-ocr, or brew install tesseract",
		}
	}
	return activities.HealthCheck{Part: "tesseract", Status: statusOK, Detail: "preview describer " + h.describer.Revision()}
}

// store writes, reads and deletes a small object. Its name is unique, because several queues
// and hosts are checked concurrently.
func (h *health) store(ctx context.Context) activities.HealthCheck {
	key := string(tenant.Default) + "/health/" + rand.Text()
	_, err := h.ingest.Store.Put(ctx, key, bytes.NewReader([]byte("cogflow")))
	if err == nil {
		_, err = h.ingest.Store.Stat(ctx, key)
	}
	if err == nil {
		err = h.ingest.Store.Delete(ctx, key)
	}
	if err != nil {
		return activities.HealthCheck{Part: "store", Status: statusFail, Detail: err.Error()}
	}
	return activities.HealthCheck{Part: "store", Status: statusOK, Detail: h.config.Redacted().Store}
}

func (h *health) disk() activities.HealthCheck {
	var s syscall.Statfs_t
	if err := syscall.Statfs(h.ingest.Scratch, &s); err != nil {
		return activities.HealthCheck{Part: "disk", Status: statusFail, Detail: err.Error()}
	}
	free := s.Bavail * uint64(s.Bsize)
	status := statusOK
	if free < lowDisk {
		status = statusWarn
	}
	return activities.HealthCheck{Part: "disk", Status: status, Detail: fmt.Sprintf("%.1f GiB free for temporary files", float64(free)/(1<<30))}
}

package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// ChunkInput names one chunk of frames to describe or to embed.
type ChunkInput struct {
	VideoRef
	Chunk         int    `json:"chunk"`
	Job           string `json:"job"`                       // what the budget and the ledger count by
	LimitMicroUSD int64  `json:"limit_micro_usd,omitempty"` // of the job; 0 = none
}

// ChunkResult counts what was done to a chunk.
type ChunkResult struct {
	Frames       int   `json:"frames"`
	Calls        int   `json:"calls,omitempty"` // of the model; the others were stored already
	BusyMS       int64 `json:"busy_ms"`         // wall clock of the activity
	CostMicroUSD int64 `json:"cost_micro_usd,omitempty"`
}

// DescribeChunk writes the caption of each frame of a chunk. Each is stored
// before the activity reports, so whatever happens no stored one is paid again.
func (a *Ingest) DescribeChunk(ctx context.Context, in ChunkInput) (ChunkResult, error) {
	start := time.Now()
	p, chunk, prefix, err := a.chunk(ctx, in)
	if err != nil {
		return ChunkResult{}, err
	}
	a.once.Do(a.makeGates)
	d := describer{a: a, in: in, profile: p, prefix: prefix, ticket: a.tickets.Add(1)}
	var done, calls, cost atomic.Int64
	stop := heartbeat(ctx, func() any { return map[string]int64{"described": done.Load()} })
	defer stop()
	err = each(chunk.Frames, func(f video.Frame) error {
		spent, called, err := d.frame(ctx, f)
		if err != nil {
			return err
		}
		if called {
			calls.Add(1)
		}
		cost.Add(spent)
		done.Add(1)
		return nil
	})
	return ChunkResult{
		Frames: len(chunk.Frames), Calls: int(calls.Load()), CostMicroUSD: cost.Load(),
		BusyMS: time.Since(start).Milliseconds(),
	}, err
}

// each runs do for all items at once and returns the first error. After an
// error nothing new is started, but what is running may finish: its answer is
// paid for. The model's slots bound how much really runs.
func each[T any](items []T, do func(T) error) error {
	var wg sync.WaitGroup
	var failed atomic.Bool
	var once sync.Once
	var first error
	for _, item := range items {
		wg.Go(func() {
			if failed.Load() {
				return
			}
			if err := do(item); err != nil {
				failed.Store(true)
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}

func (a *Ingest) chunk(ctx context.Context, in ChunkInput) (video.Profile, video.Chunk, string, error) {
	var chunk video.Chunk
	p, err := a.recipe(ctx, in.Tenant, in.Recipe)
	if err != nil {
		return p, chunk, "", err
	}
	prefix := video.FramesPrefix(in.Tenant, in.Video, p.ExtractFingerprint(in.Video))
	err = readJSON(ctx, a.Store, video.ChunkKey(prefix, in.Chunk), &chunk)
	return p, chunk, prefix, err
}

// describer describes the frames of one chunk.
type describer struct {
	a       *Ingest
	in      ChunkInput
	profile video.Profile
	prefix  string
	ticket  int64 // see gate
}

// frame makes sure that the caption of a frame is stored.
func (d *describer) frame(ctx context.Context, f video.Frame) (cost int64, called bool, err error) {
	fingerprint := d.profile.CaptionFingerprint(f)
	key := video.CaptionKey(d.in.Tenant, fingerprint)
	if stored, err := d.stored(ctx, key); stored || err != nil {
		return 0, false, err
	}
	flight := video.Fingerprint(string(d.in.Tenant) + "/" + string(fingerprint))
	caption, err := d.a.calls.do(ctx, flight, func(ctx context.Context) (video.Caption, error) {
		jpeg, err := readAll(ctx, d.a.Store, video.FrameKey(d.prefix, f))
		if err != nil {
			return video.Caption{}, err
		}
		return d.patiently(ctx, fingerprint, jpeg)
	})
	if err != nil {
		return 0, false, fmt.Errorf("frame at %d ms: %w", f.PTSMS, err)
	}
	return caption.CostMicroUSD, caption.Text != "", nil
}

// stored reads the whole caption, since only that proves that a crash of the
// machine did not tear it.
func (d *describer) stored(ctx context.Context, key string) (bool, error) {
	_, err := readAll(ctx, d.a.Store, key)
	if absent(err) {
		return false, nil
	}
	return err == nil, err
}

// patiently calls until the model is not overloaded.
func (d *describer) patiently(ctx context.Context, fingerprint video.Fingerprint, jpeg []byte) (video.Caption, error) {
	for {
		caption, err := d.call(ctx, fingerprint, jpeg)
		if fault.ClassOf(err) != fault.Overload {
			return caption, err
		}
		if err := wait(ctx, fault.RetryAfter(err)); err != nil {
			return video.Caption{}, err
		}
	}
}

// call makes one call: begun in the ledger, answered, stored, settled. It makes
// none, and returns no caption, when somebody else has stored it by now.
func (d *describer) call(ctx context.Context, fingerprint video.Fingerprint, jpeg []byte) (video.Caption, error) {
	a, stage := d.a, d.profile.Describe
	if err := a.open.enter(ctx, d.ticket); err != nil {
		return video.Caption{}, err
	}
	defer a.open.leave()
	if stored, err := d.stored(ctx, video.CaptionKey(d.in.Tenant, fingerprint)); stored || err != nil {
		return video.Caption{}, err
	}
	id, err := a.Ledger.Begin(ctx, video.Call{
		Tenant: d.in.Tenant, Job: d.in.Job, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID,
		Kind: "describe", Model: stage.Model, Fingerprint: fingerprint, CostMicroUSD: stage.CostMicroUSD,
	}, d.in.LimitMicroUSD)
	if err != nil {
		return video.Caption{}, err
	}
	var caption video.Caption
	if err = a.slots.enter(ctx, d.ticket); err == nil {
		caption, err = a.Describer.Describe(ctx, video.DescribeRequest{Model: stage.Model, Prompt: stage.Prompt, JPEG: jpeg})
		a.slots.leave()
	}
	if err == nil {
		// What was paid for is kept, and the outcome recorded, even when the
		// caller has gone away.
		err = storeCaption(context.WithoutCancel(ctx), a.Store, d.in.Tenant, fingerprint, caption)
	}
	settled := a.Ledger.End(context.WithoutCancel(ctx), id, err == nil, caption.CostMicroUSD)
	return caption, errors.Join(err, settled)
}

// storeCaption refuses what is no caption: an empty answer, or the error texts
// that Cogniverse's service returned in place of descriptions.
func storeCaption(ctx context.Context, s Store, t tenant.ID, fingerprint video.Fingerprint, c video.Caption) error {
	text := strings.TrimSpace(c.Text)
	if text == "" || strings.HasPrefix(text, "Error:") {
		return fault.New(fault.Transport, "describe frame with", c.Model, "the model answered no caption: "+strconv.Quote(text))
	}
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, video.CaptionKey(t, fingerprint), bytes.NewReader(data))
	return err
}

// makeGates sizes the gates. A slot is the model's alone: a few calls more are
// open in the ledger, so that beginning one and storing another never idle it.
// How many are open bounds what a killed worker can lose.
func (a *Ingest) makeGates() {
	slots := max(a.Slots, 1)
	a.slots.free, a.open.free = slots, slots+slots/4
}

// wait sleeps for the time an overloaded service asked for, at least a second
// and at most a minute.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(min(max(d, time.Second), time.Minute))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

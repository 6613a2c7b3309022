package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/outlook"
	"github.com/cogniverse/cogflow/activities/ingest/roles"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// EstimateInput asks what an ingest run would do.
type EstimateInput struct {
	ListSourceInput
	Profile  string           `json:"profile"`
	Force    bool             `json:"force,omitempty"`
	Sampling video.Strategy   `json:"sampling,omitempty"` // as in ResolveInput
	Place    *placement.Facts `json:"place,omitempty"`    // as in ResolveInput; the videos are counted
}

// EstimateResult is the result of Estimate. Sizes, frames, calls and costs are those of the
// videos that would be ingested, without the unchanged ones.
type EstimateResult struct {
	Profile    string              `json:"profile"`
	Videos     int                 `json:"videos"`
	Unchanged  int                 `json:"unchanged"`
	Skipped    int                 `json:"skipped"`
	Bytes      int64               `json:"bytes"`
	DurationMS int64               `json:"duration_ms"`
	Frames     int                 `json:"frames"`
	Calls      int                 `json:"calls"`
	CostUSD    float64             `json:"cost_usd"`
	Unpriced   bool                `json:"unpriced"`
	Seconds    float64             `json:"seconds"` // 0 = unknown: the model was never measured
	AtMost     bool                `json:"at_most"`
	Unread     int                 `json:"unread"`
	Unprobed   int                 `json:"unprobed"`
	Failed     int                 `json:"failed"`
	Failures   []video.Failure     `json:"failures"`         // the first MaxFailures
	Placed     *placement.Decision `json:"placed,omitempty"` // nil = there are no rules
}

// estimatedAtOnce is how many videos are looked at at a time.
const estimatedAtOnce = 4

// Estimate says what an ingest run would do, and writes nothing. It reads whole videos only
// where they are small: what an earlier run has found out is known by the version of a file.
func (a *Activities) Estimate(ctx context.Context, in EstimateInput) (EstimateResult, error) {
	p, err := a.Profiles(in.Profile)
	if err != nil {
		return EstimateResult{}, err
	}
	in.Sound = p.Transcribe.Model != ""
	placed, err := a.Placing.Listed(ctx, in.Place, in.MaxVideos, func(yield func(string) error) (int, error) { return a.list(ctx, in.ListSourceInput, yield) })
	if err == nil && placed.Chosen().Profile != "" {
		p, err = a.Profiles(placed.Profile)
	}
	if p = p.Sampled(in.Sampling); err == nil {
		err = p.Check()
	}
	if err != nil {
		return EstimateResult{}, err
	}
	if p, err = roles.Expected(ctx, a.Store, in.Tenant, p); err != nil {
		return EstimateResult{}, err
	}
	out := EstimateResult{Profile: p.Name, Failures: []video.Failure{}, Placed: placed}
	e := &outlook.Estimator{
		Store: a.Store, Sources: a.Sources, Media: a.Media, Identify: identify, Tenant: in.Tenant, Profile: p, Force: in.Force,
	}
	var total outlook.Calls
	var batch []string
	look := func() error {
		all := make([]outlook.Outlook, len(batch))
		group, ctx := panics.WithContext(ctx)
		for i, uri := range batch {
			group.Go(func() (err error) {
				all[i], err = e.Look(ctx, uri)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for i, o := range all {
			out.add(batch[i], o)
			total.Add(o.Calls)
		}
		batch = batch[:0]
		return nil
	}
	listed := 0
	out.Skipped, err = a.list(ctx, in.ListSourceInput, func(uri string) error {
		if in.MaxVideos > 0 && listed == in.MaxVideos {
			return errEnough
		}
		listed++
		if batch = append(batch, uri); len(batch) < estimatedAtOnce {
			return nil
		}
		return look()
	})
	if err == nil || errors.Is(err, errEnough) {
		err = look()
	}
	if err != nil {
		return EstimateResult{}, err
	}
	return out, a.price(ctx, p, total, &out)
}

// add counts a video.
func (r *EstimateResult) add(uri string, o outlook.Outlook) {
	r.Videos++
	switch {
	case o.Failure != nil:
		r.fail(uri, o.Failure)
		return
	case o.Unchanged:
		r.Unchanged++
		return
	case o.Unprobed:
		r.Unprobed++
		return
	case o.Unread:
		r.Unread++
	}
	r.Bytes += max(o.Bytes, 0)
	r.DurationMS += o.DurationMS
	r.Frames += o.Frames
	r.AtMost = r.AtMost || !o.Exact
}

// fail counts a video that could not be inspected.
func (r *EstimateResult) fail(uri string, err error) {
	if r.Failed++; len(r.Failures) < MaxFailures {
		r.Failures = append(r.Failures, video.Failure{
			URI: video.CutURI(uri), Stage: "inspect", Class: string(fault.ClassOf(err)), Reason: safetext.Line(err.Error(), safetext.MaxReason),
		})
	}
}

// price says what calls cost, and how long those of the slowest model take.
func (a *Activities) price(ctx context.Context, p video.Profile, c outlook.Calls, out *EstimateResult) error {
	out.Calls = c.Describe + c.Embed + c.Transcribe
	var micro int64
	for _, of := range []struct {
		stage video.Stage
		calls int
	}{{p.Describe, c.Describe}, {p.Embed, c.Embed}, {p.Transcribe, c.Transcribe}} {
		micro = money.Sum(micro, money.Times(of.calls, of.stage.CostMicroUSD))
		out.Unpriced = out.Unpriced || of.calls > 0 && of.stage.Unpriced
	}
	out.CostUSD = float64(micro) / 1e6
	slowest, limits, asked := p.Describe, activities.Limits(a.Describer), c.Describe
	if p.Describe.Model == "" {
		slowest, limits, asked = p.Embed, a.Embedder, c.Embed
	}
	latency, err := a.Ledger.Latency(ctx, slowest.Model)
	if err != nil {
		return err
	}
	out.Seconds = (time.Duration(asked) * latency).Seconds() / float64(max(limits.Limit(slowest.Model), 1))
	return nil
}

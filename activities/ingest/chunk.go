package ingest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func (a *Activities) modelStage(in ChunkInput, kind string, stage video.Stage, limits activities.Limits) *activities.ModelStage {
	return &activities.ModelStage{
		Store: a.Store, Broker: a.Broker, Payer: activities.Payer{Tenant: in.Tenant, Job: in.Job, LimitMicroUSD: in.LimitMicroUSD},
		Kind: kind, Stage: stage, Limits: limits, Ticket: a.Broker.Ticket(),
	}
}

// asking describes how an activity calls a model for each frame of a chunk, or for each
// piece of a video's sound.
type asking struct {
	kind     string // of the calls
	stage    video.Stage
	limits   activities.Limits
	cost     int64 // maximum of a call, in micro-USD; reserved
	unpriced bool
	refused  string                                  // key of the list of refused frames
	outcomes string                                  // key of their reasons by kind; "" = they are not recorded
	only     func(ctx context.Context) (bool, error) // see refusal.List

	fingerprint func(f video.Frame) video.Fingerprint                                           // of the answer
	key         func(t tenant.ID, f video.Fingerprint) string                                   // where it is stored
	shows       func(f video.Frame) []string                                                    // keys of the inputs of the model
	ask         func(ctx context.Context, key string, shown [][]byte) (video.PaidAnswer, error) // makes the call
	refusal     func(t tenant.ID, f video.Fingerprint) string                                   // where an answer is stored that is not one; nil = nowhere
}

// progress is the heartbeat of askAll.
type progress struct {
	Answered int64  `json:"answered"`
	Waiting  string `json:"waiting,omitempty"` // what a call waits for, such as a model server that is down
}

// askAll makes sure that the answer for each frame is stored. Missing answers are requested
// concurrently, as the model's limit allows, and each is stored before it counts, so the
// next attempt continues there. Frames that the model refuses are left out and recorded.
func (a *Activities) askAll(ctx context.Context, in ChunkInput, frames []video.Frame, q asking) (ChunkResult, error) {
	start := time.Now()
	m := a.modelStage(in, q.kind, q.stage, q.limits)
	var done, calls, cost atomic.Int64
	activities.HeartbeatDetails(ctx, func() any { return progress{done.Load(), m.WaitsFor()} })
	noun := "frame"
	if q.kind == video.KindTranscribe {
		noun = "sound"
	}
	refused := refusal.List{Key: q.refused, Only: q.only, Outcomes: q.outcomes}
	if q.refusal != nil {
		refused.Request = func(f video.Frame) string { return q.refusal(in.Tenant, q.fingerprint(f)) }
	}
	err := panics.Each(frames, func(f video.Frame) error {
		paid, err := a.answered(ctx, m, in.Tenant, f, q)
		if err != nil {
			err = refused.Take(noun, f, err)
		}
		if err != nil {
			return fmt.Errorf("%s at %d ms: %w", noun, f.PTSMS, err)
		}
		if paid.Called {
			calls.Add(1)
		}
		cost.Add(paid.CostMicroUSD)
		done.Add(1)
		return nil
	})
	out := ChunkResult{
		Frames: len(frames), Calls: int(calls.Load()), CostMicroUSD: cost.Load(), BusyMS: time.Since(start).Milliseconds(),
	}
	if err != nil {
		return out, err
	}
	out, err = a.finish(ctx, in, out, &refused)
	if err == nil && q.outcomes != "" && out.Refused > 0 {
		var name string
		name, err = a.nameOf(ctx, in.VideoRef)
		out.Unusable = refused.Groups(name, len(frames))
	}
	return out, err
}

// nameOf is the name of a video, for people.
func (a *Activities) nameOf(ctx context.Context, ref VideoRef) (string, error) {
	var source video.Source
	err := activities.ReadJSON(ctx, a.Store, video.SourceKey(ref.Tenant, ref.Video), &source)
	if activities.Absent(err) {
		return string(ref.Video), nil
	}
	return source.Name, err
}

// finish adds the refused frames to a result, and what the run has spent by the ledger,
// including calls of former attempts and failed ones.
func (a *Activities) finish(ctx context.Context, in ChunkInput, out ChunkResult, refused *refusal.List) (ChunkResult, error) {
	micro, err := a.Ledger.Spent(ctx, in.Tenant, in.Job, activity.GetInfo(ctx).WorkflowExecution.ID)
	out.SpentMicroUSD = &micro
	if err != nil {
		return out, err
	}
	out.Refused = refused.Len()
	return out, refused.Settle(ctx, a.Store, out.Frames)
}

func (a *Activities) question(t tenant.ID, f video.Frame, q asking) activities.Question {
	fingerprint := q.fingerprint(f)
	key := q.key(t, fingerprint)
	return activities.Question{
		Fingerprint: fingerprint,
		Key:         key,
		Cost:        q.cost,
		Unpriced:    q.unpriced,
		Prepare: func(ctx context.Context) (video.Ask, error) {
			var shown [][]byte
			for _, from := range q.shows(f) {
				data, err := activities.ReadAll(ctx, a.Store, from)
				if err != nil {
					return nil, err
				}
				shown = append(shown, data)
			}
			return func(ctx context.Context) (video.PaidAnswer, error) { return q.ask(ctx, key, shown) }, nil
		},
	}
}

// paid is an answer that is stored as JSON.
func (a *Activities) paid(microUSD int64, key string, answer any) video.PaidAnswer {
	return video.PaidAnswer{
		CostMicroUSD: microUSD,
		Store:        func(ctx context.Context) error { return activities.WriteJSON(ctx, a.Store, key, answer) },
	}
}

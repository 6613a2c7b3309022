package ingest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

func (a *Activities) modelStage(in ChunkInput, kind string, stage video.Stage, limits activities.Limits) *activities.ModelStage {
	return &activities.ModelStage{
		Store: a.Store, Broker: a.Broker, Payer: activities.Payer{Tenant: in.Tenant, Job: in.Job, LimitMicroUSD: in.LimitMicroUSD},
		Kind: kind, Stage: stage, Limits: limits, Ticket: a.Broker.Ticket(),
	}
}

// progress is what a heartbeat of askAll tells.
type progress struct {
	Answered int64  `json:"answered"`
	Waiting  string `json:"waiting,omitempty"` // for what, as when a model server is down
}

// askAll has the questions about the frames of a chunk answered, as many at
// once as the model takes, and counts.
// Where refused is given, it takes the frames that the model refuses.
func askAll(ctx context.Context, m *activities.ModelStage, frames []video.Frame, refused *refusals, about func(video.Frame) activities.Question) (ChunkResult, error) {
	start := time.Now()
	var done, calls, cost atomic.Int64
	activities.HeartbeatDetails(ctx, func() any { return progress{done.Load(), m.WaitsFor()} })
	noun := "frame"
	if m.Kind == video.KindTranscribe {
		noun = "sound"
	}
	err := each(frames, func(f video.Frame) error {
		paid, err := m.Answered(ctx, about(f))
		if err != nil && refused != nil {
			err = refused.take(noun, f, err)
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
	return ChunkResult{
		Frames: len(frames), Calls: int(calls.Load()), CostMicroUSD: cost.Load(), BusyMS: time.Since(start).Milliseconds(),
	}, err
}

// spent completes a result by what the ledger says that the run has spent so far,
// calls of former attempts and those that failed included.
func (a *Activities) spent(ctx context.Context, in ChunkInput, out *ChunkResult) error {
	micro, err := a.Ledger.Spent(ctx, in.Tenant, in.Job, activity.GetInfo(ctx).WorkflowExecution.ID)
	out.SpentMicroUSD = &micro
	return err
}

// each runs do for all items at once and returns the first error. After an
// error nothing new is started, but what is running may finish: its answer is
// paid for. The model's slots bound how much really runs.
func each[T any](items []T, do func(T) error) error {
	var group panics.Group
	var failed atomic.Bool
	for _, item := range items {
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			err := panics.Try(func() error { return do(item) })
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return group.Wait()
}

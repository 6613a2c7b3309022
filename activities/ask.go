package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Broker is the only way to the endpoints of models.
type Broker interface {
	// Do makes sure that the answer of a call is stored: it is made unless its
	// answer is stored already, or asked for by somebody else.
	Do(ctx context.Context, c video.PaidCall) (video.Paid, error)
	// Ticket is a place in the order of calls, behind all that were given out.
	Ticket() int64
}

// cancelGrace is how long a call in flight may go on after a person cancelled
// the run: it is paid, so a short one ends and is stored.
const cancelGrace = 2 * time.Second

// grace bounds a call in flight by why its activity ended. Of one that the server
// takes for dead, since it was away itself, the next attempt joins the call; one
// whose worker has waited long enough ends at once.
func grace(cause error) (d time.Duration, bounded bool) {
	switch {
	case temporal.IsCanceledError(cause):
		return cancelGrace, true
	case fault.ClassOf(cause) == fault.Preempted, errors.Is(cause, worker.ErrWorkerShutdown):
		return 0, true
	default:
		return 0, false
	}
}

// modelStage makes the calls of one activity to the model of a stage.
type modelStage struct {
	store  Store
	broker Broker
	payer  payer
	kind   string // of the call, see video.KindDescribe
	stage  video.Stage
	limits Limits
	ticket int64

	waiting atomic.Value // string: what the model was last waited for; for whoever looks at the activity
}

// payer is who asks, and at whose expense.
type payer struct {
	tenant tenant.ID
	job    string // that the ledger counts by
	limit  int64  // micro-USD; 0 = none
}

func (a *Ingest) modelStage(in ChunkInput, kind string, stage video.Stage, limits Limits) *modelStage {
	return &modelStage{
		store: a.Store, broker: a.Broker, payer: payer{in.Tenant, in.Job, in.LimitMicroUSD},
		kind: kind, stage: stage, limits: limits, ticket: a.Broker.Ticket(),
	}
}

// question is what one call of a model is to answer. However often it is asked,
// by whatever worker, after whatever crash: an answer that is stored is never
// asked for again.
type question struct {
	fingerprint video.Fingerprint // of the answer
	key         string            // where the answer is stored; empty = in several objects, and asked only for what is missing
	cost        int64             // micro-USD at most; reserved
	unpriced    bool              // what it costs is not known
	prepare     func(ctx context.Context) (video.Ask, error)
}

// answered makes sure that the answer is stored.
func (m *modelStage) answered(ctx context.Context, q question) (video.Paid, error) {
	c := video.PaidCall{
		Call: video.Call{
			Tenant: m.payer.tenant, Job: m.payer.job, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID,
			Kind: m.kind, Model: m.stage.Model, Fingerprint: q.fingerprint, CostMicroUSD: q.cost,
		},
		LimitMicroUSD: m.payer.limit, Unpriced: q.unpriced, Of: m.stage.Of, Ticket: m.ticket,
		Limit: func() int { return m.limits.Limit(m.stage.Model) }, Prepare: q.prepare,
		Stop: activity.GetWorkerStopChannel(ctx), Grace: grace,
		Waiting: func(reason string) { m.waiting.Store(safetext.Line(reason, safetext.MaxReason)) },
	}
	if q.key != "" {
		c.Stored = func(ctx context.Context) (bool, error) { return whole(ctx, m.store, q.key) }
	}
	return m.broker.Do(ctx, c)
}

// progress is what a heartbeat of askAll tells.
type progress struct {
	Answered int64  `json:"answered"`
	Waiting  string `json:"waiting,omitempty"` // for what, as when a model server is down
}

func (m *modelStage) waitsFor() string {
	text, _ := m.waiting.Load().(string)
	return text
}

// askAll has the questions about the frames of a chunk answered, as many at
// once as the model takes, and counts.
// Where refused is given, it takes the frames that the model refuses.
func (m *modelStage) askAll(ctx context.Context, frames []video.Frame, refused *refusals, about func(video.Frame) question) (ChunkResult, error) {
	start := time.Now()
	var done, calls, cost atomic.Int64
	heartbeatDetails(ctx, func() any { return progress{done.Load(), m.waitsFor()} })
	noun := "frame"
	if m.kind == video.KindTranscribe {
		noun = "sound"
	}
	err := each(frames, func(f video.Frame) error {
		paid, err := m.answered(ctx, about(f))
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
func (a *Ingest) spent(ctx context.Context, in ChunkInput, out *ChunkResult) error {
	micro, err := a.Ledger.Spent(ctx, in.Tenant, in.Job, activity.GetInfo(ctx).WorkflowExecution.ID)
	out.SpentMicroUSD = &micro
	return err
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

// whole reports whether the store has the whole of an object. It is read, since
// only that proves that a crash of the machine did not tear it.
func whole(ctx context.Context, s Store, key string) (bool, error) {
	if key == "" {
		return false, nil
	}
	_, err := readAll(ctx, s, key)
	if absent(err) {
		return false, nil
	}
	return err == nil, err
}

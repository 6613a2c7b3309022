package activities

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/waits"
)

// Broker is the only way to the endpoints of models.
type Broker interface {
	// Do makes sure that the answer of a call is stored. It makes the call unless the
	// answer is stored or another caller has requested it already.
	Do(ctx context.Context, c video.PaidCall) (video.Paid, error)
	// Ticket is a place in the order of calls, behind all earlier tickets.
	Ticket() int64
}

// cancelGrace is how long a call in flight may continue after a person cancelled the run:
// it is billed, so a short one ends and is stored.
const cancelGrace = 2 * time.Second

// grace is how long a call in flight may continue, by why its activity ended. If the server
// gave up the attempt because it was unavailable itself, the next attempt joins the call.
// If the worker has used up its grace, the call ends at once.
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

// ModelStage makes the calls of one activity to the model of a stage.
type ModelStage struct {
	Store  Store
	Broker Broker
	Payer  Payer
	Kind   string // of the call, see video.KindDescribe
	Stage  video.Stage
	Limits Limits
	Ticket int64

	waits waits.Set // what its calls wait for; read by heartbeats
}

// Payer says for whom calls are made and which budget pays.
type Payer struct {
	Tenant        tenant.ID
	Job           string // as the ledger knows it
	LimitMicroUSD int64  // 0 = none
}

// Question is one call of a model. A stored answer is never requested again, whatever
// worker asks and whatever crashed before.
type Question struct {
	Fingerprint video.Fingerprint // of the answer
	Key         string            // where the answer is stored; empty = in several objects, and only the missing ones are requested
	Cost        int64             // micro-USD at most; reserved
	Unpriced    bool              // what it costs is not known
	Prepare     func(ctx context.Context) (video.Ask, error)
	// Stored reports whether the answer is stored; nil = whether Key is.
	Stored func(ctx context.Context) (bool, error)
}

// Answered makes sure that the answer is stored.
func (m *ModelStage) Answered(ctx context.Context, q Question) (video.Paid, error) {
	p := pulseOf(ctx)
	mine, shown := m.waits.Place(), p.waits.Place()
	defer mine.Clear()
	defer shown.Clear()
	c := video.PaidCall{
		Call: video.Call{
			Tenant: m.Payer.Tenant, Job: m.Payer.Job, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID,
			Kind: m.Kind, Model: m.Stage.Model, Fingerprint: q.Fingerprint, CostMicroUSD: q.Cost,
			Unpriced: q.Unpriced,
			GPU:      gpuOf(activity.GetInfo(ctx).TaskQueue),
		},
		LimitMicroUSD: m.Payer.LimitMicroUSD, Of: m.Stage.Of, Ticket: m.Ticket,
		Limit: func() int { return m.Limits.Limit(m.Stage.Model) }, Prepare: p.model.timed(q.Prepare),
		Stop: activity.GetWorkerStopChannel(ctx), Grace: grace,
		Waiting: func(r waits.Reason) {
			r.Text = safetext.Line(r.Text, safetext.MaxReason)
			mine.Set(r)
			shown.Set(r)
		},
	}
	if c.Stored = q.Stored; c.Stored == nil && q.Key != "" {
		c.Stored = func(ctx context.Context) (bool, error) { return Whole(ctx, m.Store, q.Key) }
	}
	defer p.model.begin(m.Stage.Model, c.Limit)()
	return m.Broker.Do(ctx, c)
}

// gpuOf is the class of the GPUs beside the workers of a task queue; "" = none.
func gpuOf(queue string) string {
	_, class, _ := strings.Cut(queue, "-")
	if class == "cpu" || !slices.Contains(video.GPUClasses(), class) {
		return ""
	}
	return class
}

// WaitsFor is what its calls wait for, the longest wait; "" = nothing.
func (m *ModelStage) WaitsFor() string {
	if all := m.waits.List(); len(all) > 0 {
		return all[0].Text
	}
	return ""
}

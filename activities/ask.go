package activities

import (
	"context"
	"errors"
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

// ModelStage makes the calls of one activity to the model of a stage.
type ModelStage struct {
	Store  Store
	Broker Broker
	Payer  Payer
	Kind   string // of the call, see video.KindDescribe
	Stage  video.Stage
	Limits Limits
	Ticket int64

	waiting atomic.Value // string: what the model was last waited for; for whoever looks at the activity
}

// Payer is who asks, and at whose expense.
type Payer struct {
	Tenant        tenant.ID
	Job           string // that the ledger counts by
	LimitMicroUSD int64  // 0 = none
}

// Question is what one call of a model is to answer. However often it is asked,
// by whatever worker, after whatever crash: an answer that is stored is never
// asked for again.
type Question struct {
	Fingerprint video.Fingerprint // of the answer
	Key         string            // where the answer is stored; empty = in several objects, and asked only for what is missing
	Cost        int64             // micro-USD at most; reserved
	Unpriced    bool              // what it costs is not known
	Prepare     func(ctx context.Context) (video.Ask, error)
}

// Answered makes sure that the answer is stored.
func (m *ModelStage) Answered(ctx context.Context, q Question) (video.Paid, error) {
	c := video.PaidCall{
		Call: video.Call{
			Tenant: m.Payer.Tenant, Job: m.Payer.Job, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID,
			Kind: m.Kind, Model: m.Stage.Model, Fingerprint: q.Fingerprint, CostMicroUSD: q.Cost,
		},
		LimitMicroUSD: m.Payer.LimitMicroUSD, Unpriced: q.Unpriced, Of: m.Stage.Of, Ticket: m.Ticket,
		Limit: func() int { return m.Limits.Limit(m.Stage.Model) }, Prepare: q.Prepare,
		Stop: activity.GetWorkerStopChannel(ctx), Grace: grace,
		Waiting: func(reason string) { m.waiting.Store(safetext.Line(reason, safetext.MaxReason)) },
	}
	if q.Key != "" {
		c.Stored = func(ctx context.Context) (bool, error) { return whole(ctx, m.Store, q.Key) }
	}
	return m.Broker.Do(ctx, c)
}

// WaitsFor is what the model was last waited for; "" = for nothing.
func (m *ModelStage) WaitsFor() string {
	text, _ := m.waiting.Load().(string)
	return text
}

package frames

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/captioning"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// ChunkInput names a part of a batch.
type ChunkInput struct {
	Tenant        tenant.ID         `json:"tenant"`
	Batch         video.Fingerprint `json:"batch"`
	Stage         video.Fingerprint `json:"stage"`
	Chunk         int               `json:"chunk"`
	Job           string            `json:"job"`                       // what the budget and the ledger count by
	LimitMicroUSD int64             `json:"limit_micro_usd,omitempty"` // of the job; 0 = none
}

// Owner is the tenant that the activity works for.
func (in ChunkInput) Owner() tenant.ID { return in.Tenant }

// ChunkResult counts what was done to a part of a batch.
type ChunkResult struct {
	Frames        int   `json:"frames"`
	Failed        int   `json:"failed,omitempty"`
	Calls         int   `json:"calls,omitempty"` // of the model; the others were stored already
	BusyMS        int64 `json:"busy_ms"`         // wall clock of the activity
	SpentMicroUSD int64 `json:"spent_micro_usd,omitempty"`
}

// patience is the attempt from which a picture that only fails in transport is a failure of its
// own: a server may crash on it each time. If every picture fails so, the server is down.
const patience = 3

// progress is the heartbeat.
type progress struct {
	Answered int64  `json:"answered"`
	Waiting  string `json:"waiting,omitempty"` // what a call waits for, such as a model server that is down
}

// DescribeBatch writes the description of each picture of a part of a batch. Each one is stored
// under the fingerprint of the picture and of the stage before the activity reports, so no stored
// one is paid again. A picture that the model refuses is a failure of its own.
func (a *Activities) DescribeBatch(ctx context.Context, in ChunkInput) (ChunkResult, error) {
	start := time.Now()
	prefix := video.BatchPrefix(in.Tenant, in.Batch)
	batch, err := a.batch(ctx, prefix, in.Batch)
	if err != nil {
		return ChunkResult{}, err
	}
	var stage video.Stage
	if err := activities.ReadJSON(ctx, a.Store, video.BatchStageKey(prefix, in.Stage), &stage); err != nil {
		return ChunkResult{}, err
	}
	from, until := in.Chunk*ChunkFrames, min((in.Chunk+1)*ChunkFrames, len(batch.Frames))
	if from < 0 || from >= until {
		return ChunkResult{}, fault.New(fault.Input, opRead, string(in.Batch), fmt.Sprintf("it has no part %d", in.Chunk))
	}
	c := chunk{
		a: a, in: in, prefix: prefix, stage: stage, patient: activity.GetInfo(ctx).Attempt < patience,
		model: &activities.ModelStage{
			Store: a.Store, Broker: a.Broker, Payer: activities.Payer{Tenant: in.Tenant, Job: in.Job, LimitMicroUSD: in.LimitMicroUSD},
			Kind: video.KindDescribe, Stage: stage, Limits: a.Describer, Ticket: a.Broker.Ticket(),
		},
		answers: video.BatchAnswers{Descriptions: map[string]string{}, Failures: map[string]string{}},
	}
	activities.HeartbeatDetails(ctx, func() any { return progress{c.done.Load(), c.model.WaitsFor()} })
	if err := panics.Each(batch.Frames[from:until], func(f video.BatchFrame) error { return c.frame(ctx, f) }); err != nil {
		return ChunkResult{}, err
	}
	if len(c.answers.Descriptions) == 0 && c.down != nil {
		return ChunkResult{}, c.down
	}
	out := ChunkResult{Frames: until - from, Failed: len(c.answers.Failures), Calls: int(c.calls.Load())}
	if out.SpentMicroUSD, err = a.Ledger.Spent(ctx, in.Tenant, in.Job, activity.GetInfo(ctx).WorkflowExecution.ID); err != nil {
		return out, err
	}
	out.BusyMS = time.Since(start).Milliseconds()
	return out, activities.WriteJSON(ctx, a.Store, video.BatchChunkKey(prefix, in.Stage, in.Chunk), c.answers)
}

// chunk is a part of a batch that is being described.
type chunk struct {
	a       *Activities
	in      ChunkInput
	prefix  string
	stage   video.Stage
	model   *activities.ModelStage
	patient bool // failures in transport fail the attempt

	done, calls atomic.Int64

	mu      sync.Mutex
	answers video.BatchAnswers
	down    error // the first failure in transport
}

// frame makes sure that the description of one picture is stored, or notes why it has none.
func (c *chunk) frame(ctx context.Context, f video.BatchFrame) error {
	text, err := c.describe(ctx, f)
	if err != nil && !c.concerns(err) {
		return fmt.Errorf("frame %q: %w", safetext.Line(f.Key, safetext.MaxReason), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done.Add(1)
	if err == nil {
		c.answers.Descriptions[f.Key] = text
		return nil
	}
	c.answers.Failures[f.Key] = safetext.Line(err.Error(), safetext.MaxReason)
	if fault.ClassOf(err) == fault.Transport && c.down == nil {
		c.down = err
	}
	return nil
}

// concerns reports whether an error concerns one picture only.
func (c *chunk) concerns(err error) bool {
	switch fault.ClassOf(err) {
	case fault.Input:
		return !errors.Is(err, fault.ErrNotServed)
	case fault.Transport:
		return !c.patient
	default:
		return false
	}
}

func (c *chunk) describe(ctx context.Context, f video.BatchFrame) (string, error) {
	fingerprint := video.Profile{Describe: c.stage}.CaptionFingerprint(video.Frame{SHA256: f.SHA256})
	key := video.CaptionKey(c.in.Tenant, fingerprint)
	cost, unpriced := captioning.Cost(c.a.Describer, c.stage, 1)
	paid, err := c.model.Answered(ctx, activities.Question{
		Fingerprint: fingerprint, Key: key, Cost: cost, Unpriced: unpriced,
		Prepare: func(ctx context.Context) (video.Ask, error) {
			picture, err := activities.ReadAll(ctx, c.a.Store, video.BatchPictureKey(c.prefix, f.SHA256))
			if activities.Absent(err) {
				err = fault.New(fault.Input, opRead, string(c.in.Batch), "the picture is no longer stored; send the batch again")
			}
			return func(ctx context.Context) (video.PaidAnswer, error) { return c.ask(ctx, key, picture) }, err
		},
	})
	if err != nil {
		return "", err
	}
	if paid.Called {
		c.calls.Add(1)
	}
	var caption video.Caption
	err = activities.ReadJSON(ctx, c.a.Store, key, &caption)
	return caption.Text, err
}

// ask makes the call. It keeps a description that max_tokens has cut, as Cogniverse's service did.
func (c *chunk) ask(ctx context.Context, key string, picture []byte) (video.PaidAnswer, error) {
	caption, err := c.a.Describer.Describe(ctx, video.DescribeRequest{Tenant: c.in.Tenant, Stage: c.stage, JPEG: picture})
	if _, cut := errors.AsType[*outcome.UnusableError](err); cut && caption.Text != "" {
		err = nil
	}
	if err == nil {
		err = captioning.Check(caption)
	}
	return video.PaidAnswer{
		CostMicroUSD: caption.CostMicroUSD,
		Store:        func(ctx context.Context) error { return activities.WriteJSON(ctx, c.a.Store, key, caption) },
	}, err
}

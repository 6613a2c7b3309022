package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// question is what one call of a model is to answer. However often it is asked,
// by whatever worker, after whatever crash: an answer that is stored is never
// asked for again.
type question struct {
	fingerprint video.Fingerprint // of the answer
	key         string            // where the answer is stored; empty = in several objects, and asked only for what is missing
	// ask calls the model. keep stores what it answered.
	ask func(ctx context.Context) (keep func(ctx context.Context) error, costMicroUSD int64, err error)
}

// outcome is what asking came to.
type outcome struct {
	cost   int64 // micro-USD
	called bool  // false: the answer was stored already
}

// asker asks the questions of one activity call.
type asker struct {
	store  Store
	ledger Ledger
	calls  *flights
	client client
	kind   string // of the call, see video.KindDescribe
	stage  video.Stage
	limits Limits
	gates  *gates
	ticket int64

	waiting atomic.Value // string: what the model was last waited for; for whoever looks at the activity
}

// gates bound the calls of one model in this process. A slot is the model's
// alone: a few calls more are open in the ledger, so that beginning one and
// storing another never idle it. How many are open bounds what a killed worker
// can lose.
type gates struct {
	slots, open gate
	quiet       atomic.Int64 // until when the service asked to be left alone, in Unix nanoseconds
}

// hush leaves the service alone for as long as it asks.
func (g *gates) hush(d time.Duration) {
	until := time.Now().Add(min(d, maxWait)).UnixNano()
	for {
		if old := g.quiet.Load(); old >= until || g.quiet.CompareAndSwap(old, until) {
			return
		}
	}
}

// awaitQuiet waits for the end of that time.
func (g *gates) awaitQuiet(ctx context.Context) error {
	if d := time.Until(time.Unix(0, g.quiet.Load())); d > 0 {
		return sleep(ctx, d)
	}
	return ctx.Err()
}

func (g *gates) resize(limit int) {
	g.slots.resize(limit)
	g.open.resize(limit + limit/4)
}

// desk is where all that asks models in this process meets: calls for the same
// answer join, and a model has one bound however many activities ask it.
type desk struct {
	calls   flights
	gates   sync.Map // kind and model → *gates
	tickets atomic.Int64
}

// client is who asks, and at whose expense.
type client struct {
	tenant tenant.ID
	job    string // that the ledger counts by
	limit  int64  // micro-USD; 0 = none
}

func (a *Ingest) newAsker(in ChunkInput, kind string, stage video.Stage, limits Limits) *asker {
	return newAsker(a.Store, a.Ledger, &a.desk, client{in.Tenant, in.Job, in.LimitMicroUSD}, kind, stage, limits)
}

func newAsker(s Store, l Ledger, d *desk, who client, kind string, stage video.Stage, limits Limits) *asker {
	shared, _ := d.gates.LoadOrStore(kind+" "+stage.Model, &gates{})
	k := &asker{
		store: s, ledger: l, calls: &d.calls, client: who, kind: kind, stage: stage, limits: limits,
		gates: shared.(*gates), ticket: d.tickets.Add(1),
	}
	k.gates.resize(max(limits.Limit(stage.Model), 1))
	return k
}

// answered makes sure that the answer is stored.
func (k *asker) answered(ctx context.Context, q question) (outcome, error) {
	if stored, err := whole(ctx, k.store, q.key); stored || err != nil {
		return outcome{}, err
	}
	flight := video.Fingerprint(string(k.client.tenant) + "/" + string(q.fingerprint))
	return k.calls.do(ctx, flight, func(ctx context.Context) (outcome, error) { return k.patiently(ctx, q) })
}

// patiently calls until the model is not overloaded, or the worker is asked to
// stop: what waits for a call then is left to another worker.
func (k *asker) patiently(ctx context.Context, q question) (outcome, error) {
	before, cancel := untilStop(ctx)
	defer cancel()
	for {
		out, err := k.call(ctx, before, q)
		if err != nil && !out.called && errors.Is(context.Cause(before), errStopping) {
			return outcome{}, errStopping
		}
		if fault.ClassOf(err) != fault.Overload {
			k.waiting.Store("")
			return out, err
		}
		k.waiting.Store(safetext.Line(err.Error(), safetext.MaxReason))
		if d := fault.RetryAfter(err); d > 0 {
			k.gates.hush(d)
		}
		if sleep(before, max(fault.RetryAfter(err), time.Second)) != nil {
			return outcome{}, context.Cause(before)
		}
	}
}

// call makes one call: begun in the ledger, answered, stored, settled. It makes
// none when another has stored the answer by now. before is ctx, but ends when
// the worker is asked to stop: no call begins after that.
func (k *asker) call(ctx, before context.Context, q question) (outcome, error) {
	if err := k.gates.awaitQuiet(before); err != nil {
		return outcome{}, err
	}
	if err := k.gates.open.enter(before, k.ticket); err != nil {
		return outcome{}, err
	}
	defer k.gates.open.leave()
	if stored, err := whole(ctx, k.store, q.key); stored || err != nil {
		return outcome{}, err
	}
	if before.Err() != nil {
		return outcome{}, context.Cause(before)
	}
	id, err := k.ledger.Begin(ctx, video.Call{
		Tenant: k.client.tenant, Job: k.client.job, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID,
		Kind: k.kind, Model: k.stage.Model, Fingerprint: q.fingerprint, CostMicroUSD: k.stage.CostMicroUSD,
	}, k.client.limit)
	if err != nil {
		return outcome{}, err
	}
	var keep func(context.Context) error
	var cost int64
	called := false
	if err = k.gates.slots.enter(before, k.ticket); err == nil {
		if err = before.Err(); err == nil {
			called = true
			keep, cost, err = q.ask(ctx)
		}
		k.gates.slots.leave()
		k.gates.resize(max(k.limits.Limit(k.stage.Model), 1))
	}
	if err == nil {
		// What was paid for is kept, and the outcome recorded, even when the
		// caller has gone away.
		err = keep(context.WithoutCancel(ctx))
	}
	settled := k.ledger.End(context.WithoutCancel(ctx), id, err == nil, cost)
	return outcome{cost: cost, called: called}, errors.Join(err, settled)
}

// progress is what a heartbeat of askAll tells.
type progress struct {
	Answered int64  `json:"answered"`
	Waiting  string `json:"waiting,omitempty"` // for what, as when a model server is down
}

func (k *asker) waitsFor() string {
	text, _ := k.waiting.Load().(string)
	return text
}

// askAll has the questions about the frames of a chunk answered, as many at
// once as the model takes, and counts.
// Where refused is given, it takes the frames that the model refuses.
func (k *asker) askAll(ctx context.Context, frames []video.Frame, refused *refusals, about func(video.Frame) question) (ChunkResult, error) {
	start := time.Now()
	var done, calls, cost atomic.Int64
	heartbeatDetails(ctx, func() any { return progress{done.Load(), k.waitsFor()} })
	noun := "frame"
	if k.kind == video.KindTranscribe {
		noun = "sound"
	}
	err := each(frames, func(f video.Frame) error {
		out, err := k.answered(ctx, about(f))
		if err != nil && refused != nil {
			err = refused.take(noun, f, err)
		}
		if err != nil {
			return fmt.Errorf("%s at %d ms: %w", noun, f.PTSMS, err)
		}
		if out.called {
			calls.Add(1)
		}
		cost.Add(out.cost)
		done.Add(1)
		return nil
	})
	return ChunkResult{
		Frames: len(frames), Calls: int(calls.Load()), CostMicroUSD: cost.Load(), BusyMS: time.Since(start).Milliseconds(),
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

// maxWait bounds what an overloaded service may ask for.
const maxWait = time.Minute

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(min(d, maxWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

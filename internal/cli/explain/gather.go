package explain

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// Bounds of one explanation.
const (
	maxChildren = 64 // of a job that are asked
	askedAt     = 16 // concurrent questions
)

// gatherer collects facts for one explanation.
type gatherer struct {
	app
	c   client.Client
	now time.Time

	fleet   fleet.Fleet // its workers only
	mu      sync.Mutex
	queues  map[queueKey]*once[fleet.Queue]
	holders once[[]holding]
}

type queueKey struct {
	name string
	kind enumspb.TaskQueueType
}

// once asks a question once, also if several ask at the same time.
type once[T any] struct {
	sync.Once
	value T
	err   error
}

func (o *once[T]) get(ask func() (T, error)) (T, error) {
	o.Do(func() { o.value, o.err = ask() })
	return o.value, o.err
}

// gather collects the facts of a job with its children.
func (a app) gather(ctx context.Context, c client.Client, id string) (facts, error) {
	g := &gatherer{app: a, c: c, now: time.Now(), queues: map[queueKey]*once[fleet.Queue]{}}
	var err error
	if g.fleet.Workers, g.fleet.Listed, err = workerlist.List(ctx, c, a.Where.Namespace); err != nil {
		return facts{}, err
	}
	f, open, err := g.run(ctx, id)
	if err != nil {
		return facts{}, err
	}
	if !f.found {
		return f, g.ofSchedule(ctx, &f)
	}
	f.active = len(open)
	open = open[:min(len(open), maxChildren)]
	children := make([]facts, len(open))
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(askedAt)
	for i, child := range open {
		group.Go(func() (err error) {
			children[i], _, err = g.run(each, child)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return facts{}, err
	}
	for _, child := range children {
		if child.found && !workflows.Closed(child.status) {
			f.children = append(f.children, child)
		} else {
			f.active-- // it ended meanwhile, or has not started yet
		}
	}
	return f, nil
}

// run collects the facts of one run, and the ids of its open children.
func (g *gatherer) run(ctx context.Context, id string) (f facts, open []string, err error) {
	f = facts{now: g.now, id: id}
	described, err := g.c.DescribeWorkflow(ctx, id, "")
	if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
		return f, nil, nil
	}
	if err != nil {
		return f, nil, err
	}
	d := described.RawResponse
	f.take(d)
	if workflows.Closed(f.status) {
		return f, nil, g.ended(ctx, d, &f)
	}
	if f.workflows, err = g.queue(ctx, f.queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW); err != nil {
		return f, nil, err
	}
	for _, child := range d.GetPendingChildren() {
		open = append(open, child.GetWorkflowId())
	}
	if f.workflows.Workers > 0 && f.task.healthy() && !f.startsAt.After(g.now) {
		open = g.progress(ctx, &f, open)
	}
	if err := g.history(ctx, d, &f); err != nil {
		return f, nil, err
	}
	for _, p := range d.GetPendingActivities() {
		s := stepOf(p, g.now)
		if err := g.about(ctx, &f, &s); err != nil {
			return f, nil, err
		}
		f.steps = append(f.steps, s)
	}
	if schedule := scheduleOf(d); schedule != "" {
		f.schedule, err = g.schedule(ctx, schedule)
	}
	return f, open, err
}

// healthy reports whether a query has a chance: a workflow whose code fails answers none.
func (t *task) healthy() bool { return t == nil || t.attempt <= 1 }

// take reads what the description of a run says.
func (f *facts) take(d *workflowservice.DescribeWorkflowExecutionResponse) {
	info, more := d.GetWorkflowExecutionInfo(), d.GetWorkflowExtendedInfo()
	f.found = true
	f.kind, f.queue, f.status = info.GetType().GetName(), info.GetTaskQueue(), info.GetStatus()
	_, f.ofCogflow = catalog.TypeOf(f.kind)
	f.started, f.parent = info.GetStartTime().AsTime(), info.GetParentExecution().GetWorkflowId()
	if t := info.GetExecutionTime(); t != nil {
		f.startsAt = t.AsTime()
	}
	if t := info.GetCloseTime(); t != nil {
		f.closed = t.AsTime()
	}
	f.cancelAsked = more.GetCancelRequested()
	if p := more.GetPauseInfo(); p != nil {
		f.paused = &pause{p.GetIdentity(), p.GetReason(), p.GetPausedTime().AsTime()}
	}
	t := d.GetPendingWorkflowTask()
	if t == nil {
		return
	}
	f.task = &task{scheduled: t.GetOriginalScheduledTime().AsTime(), attempt: t.GetAttempt()}
	// The start and the first task are two events. If a worker has taken the task, there is
	// one more; if the task has failed, two more. Retries add no events.
	const untouched = 4
	f.untouched = info.GetHistoryLength() <= untouched
}

// progress asks the run for its progress, which also has the children that an earlier run of
// the job started.
func (g *gatherer) progress(ctx context.Context, f *facts, open []string) []string {
	p, ok := g.Progress(ctx, g.c, f.kind, f.id)
	if !ok {
		return open
	}
	f.doing.line = p.Line()
	if bars := p.Bars(); len(bars) > 0 {
		f.doing.done, f.doing.total = bars[0].Done, bars[0].Total
	}
	var s state
	if data, err := json.Marshal(p.JSON()); err == nil && json.Unmarshal(data, &s) == nil {
		f.state = &s
	}
	if parent, ok := p.(cli.Parent); ok {
		for _, child := range parent.Children() {
			if !slices.Contains(open, child) {
				open = append(open, child)
			}
		}
	}
	return open
}

// queue describes a task queue once.
func (g *gatherer) queue(ctx context.Context, name string, kind enumspb.TaskQueueType) (fleet.Queue, error) {
	g.mu.Lock()
	one := g.queues[queueKey{name, kind}]
	if one == nil {
		one = &once[fleet.Queue]{}
		g.queues[queueKey{name, kind}] = one
	}
	g.mu.Unlock()
	return one.get(func() (fleet.Queue, error) {
		p, err := g.AskPool(ctx, g.c, name, kind)
		return g.fleet.With(p, kind), err
	})
}

// ended reads why a run failed.
func (g *gatherer) ended(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse, f *facts) error {
	err := g.c.GetWorkflow(ctx, f.id, d.GetWorkflowExecutionInfo().GetExecution().GetRunId()).Get(ctx, nil)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	failure := g.Explain(err)
	f.failure = &failure
	return nil
}

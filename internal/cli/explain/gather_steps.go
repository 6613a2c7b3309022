package explain

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video/waits"
)

// stepOf reads a pending activity.
func stepOf(p *workflowpb.PendingActivityInfo, now time.Time) step {
	o := p.GetActivityOptions()
	s := step{
		activity: p.GetActivityType().GetName(), queue: o.GetTaskQueue().GetName(), state: p.GetState(), attempt: p.GetAttempt(),
		beatTimeout: o.GetHeartbeatTimeout().AsDuration(), toStart: o.GetScheduleToStartTimeout().AsDuration(),
		worker: p.GetLastWorkerIdentity(), says: activities.ReadBeat(p.GetHeartbeatDetails()),
	}
	s.since = p.GetScheduledTime().AsTime()
	if s.state != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
		s.since = p.GetLastStartedTime().AsTime()
	} else if next := later(p); next.After(now) {
		s.next = next
	}
	if t := p.GetLastHeartbeatTime(); t != nil {
		s.beat = t.AsTime()
	}
	if p.GetPaused() {
		s.paused = &pause{by: p.GetPauseInfo().GetManual().GetIdentity(), reason: p.GetPauseInfo().GetManual().GetReason(), since: p.GetPauseInfo().GetPauseTime().AsTime()}
	}
	if last := p.GetLastFailure(); last != nil {
		s.failure = &failure{
			class: last.GetApplicationFailureInfo().GetType(), text: safetext.Line(last.GetMessage(), safetext.MaxReason),
			lost: last.GetTimeoutFailureInfo().GetTimeoutType() == enumspb.TIMEOUT_TYPE_HEARTBEAT,
		}
	}
	var first struct {
		Waiting string `json:"waiting"`
	}
	if len(s.says.Waits) == 0 && s.says.Model == nil && converter.GetDefaultDataConverter().FromPayloads(p.GetHeartbeatDetails(), &first) == nil {
		s.waiting = safetext.Line(first.Waiting, safetext.MaxReason)
	}
	return s
}

// later is when the next attempt of an activity is scheduled.
func later(p *workflowpb.PendingActivityInfo) (next time.Time) {
	if t := p.GetNextAttemptScheduleTime(); t != nil {
		next = t.AsTime()
	}
	if t := p.GetScheduledTime(); t != nil && t.AsTime().After(next) {
		next = t.AsTime()
	}
	return next
}

// about adds what the workers say to a step.
func (g *gatherer) about(ctx context.Context, f *facts, s *step) (err error) {
	if s.state == enumspb.PENDING_ACTIVITY_STATE_STARTED {
		s.workerGone = g.fleet.Listed
		for _, w := range g.fleet.Workers {
			if w.Identity == s.worker {
				s.workerGone = false
				s.workerDrains = s.workerDrains || w.Draining && w.Queue == s.queue
				s.workerLeaves = cmp.Or(s.workerLeaves, w.Notice)
			}
		}
	}
	if s.queue == "" {
		return nil
	}
	if s.served, err = g.queue(ctx, s.queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY); err != nil {
		return err
	}
	full := s.state == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && s.served.Slots != nil && s.served.Slots.Free == 0 && s.served.Slots.Used > 0
	leased := slices.ContainsFunc(s.says.Waits, func(r waits.Reason) bool { return r.Code == waits.GPU })
	if full || leased {
		s.holders, err = g.holdersOf(ctx, f, s, leased)
	}
	return err
}

// holding is a step that a worker runs.
type holding struct{ id, parent, queue, worker string }

// maxHolders bounds the runs that are asked for what they use.
const maxHolders = 128

// all lists the steps that workers run, of the newest running jobs.
func (g *gatherer) all(ctx context.Context) ([]holding, error) {
	r, err := g.c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: maxHolders, Query: "ExecutionStatus = 'Running'"})
	if err != nil {
		return nil, err
	}
	found := make([][]holding, len(r.GetExecutions()))
	var group errgroup.Group
	group.SetLimit(askedAt)
	for i, e := range r.GetExecutions() {
		group.Go(func() error {
			d, err := g.c.DescribeWorkflow(ctx, e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId())
			if err != nil {
				return nil //nolint:nilerr // it ended meanwhile, so it uses nothing
			}
			for _, p := range d.RawResponse.GetPendingActivities() {
				if p.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
					found[i] = append(found[i], holding{
						e.GetExecution().GetWorkflowId(), e.GetParentExecution().GetWorkflowId(), p.GetActivityOptions().GetTaskQueue().GetName(), p.GetLastWorkerIdentity(),
					})
				}
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return no error
	return slices.Concat(found...), nil
}

// holdersOf says who uses the slots of the queue of a step or, if it waits for a GPU, the GPUs of
// its host.
func (g *gatherer) holdersOf(ctx context.Context, f *facts, s *step, leased bool) ([]holder, error) {
	all, err := g.holders.get(func() ([]holding, error) { return g.all(ctx) })
	if err != nil {
		return nil, err
	}
	var out []holder
	for _, h := range all {
		switch {
		case leased && (h.id == f.id || hostOf(h.worker) != hostOf(s.worker) || !gpuQueue(h.queue)), !leased && h.queue != s.queue:
			continue
		}
		i := slices.IndexFunc(out, func(o holder) bool { return o.id == h.id })
		if i < 0 {
			i = len(out)
			out = append(out, holder{id: h.id, own: h.id == f.id || f.parent != "" && h.parent == f.parent || h.parent == f.id})
		}
		out[i].steps++
	}
	slices.SortStableFunc(out, func(a, b holder) int { return b.steps - a.steps })
	return out, nil
}

// gpuQueue reports whether the steps of a queue can use a GPU.
func gpuQueue(queue string) bool { return strings.Contains(queue, "-") }

// hostOf is the host of a worker's identity, PID@HOST@….
func hostOf(identity string) string {
	_, rest, _ := strings.Cut(identity, "@")
	host, _, _ := strings.Cut(rest, "@")
	return host
}

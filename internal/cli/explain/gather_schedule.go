package explain

import (
	"context"
	"errors"
	"regexp"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/safetext"
)

// startedBy is the search attribute of the server that names the schedule of a run.
const startedBy = "TemporalScheduledById"

// scheduleOf is the schedule that started a run; "" = none.
func scheduleOf(d *workflowservice.DescribeWorkflowExecutionResponse) (id string) {
	p := d.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()[startedBy]
	if p == nil || converter.GetDefaultDataConverter().FromPayload(p, &id) != nil {
		return ""
	}
	return id
}

// runOfSchedule matches the id of a run that a schedule of cogflow starts.
var runOfSchedule = regexp.MustCompile(`^schedule/[^/]+/(.+)-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)

// ofSchedule looks for a schedule where no workflow has the id: that of a schedule, or of a run of
// one that does not exist.
func (g *gatherer) ofSchedule(ctx context.Context, f *facts) (err error) {
	if f.schedule, err = g.schedule(ctx, f.id); err != nil || f.schedule != nil {
		return err
	}
	if m := runOfSchedule.FindStringSubmatch(f.id); m != nil {
		f.schedule, err = g.schedule(ctx, m[1])
		f.due = f.schedule != nil
	}
	return err
}

// schedule reads a schedule; nil = no schedule has the id.
func (g *gatherer) schedule(ctx context.Context, id string) (*schedule, error) {
	d, err := g.c.WorkflowService().DescribeSchedule(ctx, &workflowservice.DescribeScheduleRequest{Namespace: g.Where.Namespace, ScheduleId: id})
	var missing *serviceerror.NotFound
	var invalid *serviceerror.InvalidArgument
	if errors.As(err, &missing) || errors.As(err, &invalid) { // an id that no schedule can have
		return nil, nil //nolint:nilnil // documented
	}
	if err != nil {
		return nil, err
	}
	info, state, policies := d.GetInfo(), d.GetSchedule().GetState(), d.GetSchedule().GetPolicies()
	s := &schedule{
		id: id, paused: state.GetPaused(), note: safetext.Line(state.GetNotes(), safetext.MaxReason), overlap: overlapText(policies.GetOverlapPolicy()),
		skipped: info.GetOverlapSkipped(), missed: info.GetMissedCatchupWindow(), dropped: info.GetBufferDropped(), buffered: info.GetBufferSize(),
		catchUp: policies.GetCatchupWindow().AsDuration(),
	}
	for _, e := range info.GetRunningWorkflows() {
		s.open = append(s.open, e.GetWorkflowId())
	}
	if next := info.GetFutureActionTimes(); len(next) > 0 {
		s.next = next[0].AsTime()
	}
	s.ended = !s.paused && (s.next.IsZero() || state.GetLimitedActions() && state.GetRemainingActions() == 0)
	return s, nil
}

func overlapText(p enumspb.ScheduleOverlapPolicy) string {
	switch p {
	case enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE:
		return "buffer-one"
	case enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL:
		return "buffer-all"
	case enumspb.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER:
		return "cancel-other"
	case enumspb.SCHEDULE_OVERLAP_POLICY_TERMINATE_OTHER:
		return "terminate-other"
	case enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL:
		return "allow-all"
	default:
		return "skip"
	}
}

package schedule

import (
	"encoding/json"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// maxNote bounds the note of a schedule, in bytes.
const maxNote = 1000

// report is one schedule as `list` and `show` print it.
type report struct {
	ID             string          `json:"schedule_id"`
	State          string          `json:"state"` // active, paused, or ended: no further run
	Note           string          `json:"note,omitempty"`
	Cogflow        bool            `json:"cogflow"` // its workflow type is one of cogflow, on cogflow's task queue
	Kind           string          `json:"kind"`
	Tenant         string          `json:"tenant,omitempty"` // empty = unknown
	Input          json.RawMessage `json:"input,omitempty"`
	WorkflowID     string          `json:"workflow_id"` // the server appends the time to it
	TaskQueue      string          `json:"task_queue"`
	Times          []string        `json:"times"` // in words
	TimeZone       string          `json:"time_zone,omitempty"`
	Start          *time.Time      `json:"start,omitempty"`
	End            *time.Time      `json:"end,omitempty"`
	Overlap        string          `json:"overlap"`
	CatchUp        float64         `json:"catch_up_seconds"`
	Jitter         float64         `json:"jitter_seconds,omitempty"`
	PauseOnFailure bool            `json:"pause_on_failure,omitempty"`
	RunsLeft       *int64          `json:"runs_left,omitempty"` // nil = no limit
	Next           []time.Time     `json:"next"`
	Running        []run           `json:"running"`
	Recent         []run           `json:"recent"` // the newest last
	Counts         counts          `json:"counts"`
	Lost           []lost          `json:"lost"`               // runs that did not happen, and why
	Warnings       []string        `json:"warnings,omitempty"` // what will not happen as it may be expected
	Created        time.Time       `json:"created"`
	Changed        *time.Time      `json:"changed,omitempty"`
	UI             string          `json:"ui"`
}

// counts are the counters that the server keeps from the creation of a schedule on.
type counts struct {
	Started  int64 `json:"started"`
	Skipped  int64 `json:"skipped_overlap"`
	Missed   int64 `json:"missed_catch_up"`
	Dropped  int64 `json:"dropped_buffer"`
	Buffered int64 `json:"buffered"` // wait for another run to end
}

// run is one run that a schedule started.
type run struct {
	WorkflowID string     `json:"workflow_id"`
	RunID      string     `json:"run_id"`
	Due        *time.Time `json:"due,omitempty"`     // by the schedule; of a triggered run, when it was triggered
	Started    *time.Time `json:"started,omitempty"` // later than due: made up for, buffered or delayed by jitter
	Status     string     `json:"status,omitempty"`
	UI         string     `json:"ui"`
}

// report converts what the server says of a schedule.
func (a app) report(id string, d *workflowservice.DescribeScheduleResponse, now time.Time) report {
	s, info := d.GetSchedule(), d.GetInfo()
	spec, start, state := s.GetSpec(), s.GetAction().GetStartWorkflow(), s.GetState()
	r := report{
		ID: id, State: "active", Note: safetext.Line(state.GetNotes(), maxNote), Kind: start.GetWorkflowType().GetName(), Tenant: tenantOf(s), Input: inputOf(start),
		WorkflowID: start.GetWorkflowId(), TaskQueue: start.GetTaskQueue().GetName(), Times: specWords(spec), TimeZone: spec.GetTimezoneName(),
		Start: timeOf(spec.GetStartTime()), End: timeOf(spec.GetEndTime()), Overlap: overlapOf(s),
		CatchUp: s.GetPolicies().GetCatchupWindow().AsDuration().Seconds(), Jitter: spec.GetJitter().AsDuration().Seconds(), PauseOnFailure: s.GetPolicies().GetPauseOnFailure(),
		Next: []time.Time{}, Running: []run{}, Recent: []run{},
		Counts: counts{
			Started: info.GetActionCount(), Skipped: info.GetOverlapSkipped(), Missed: info.GetMissedCatchupWindow(),
			Dropped: info.GetBufferDropped(), Buffered: info.GetBufferSize(),
		},
		Created: info.GetCreateTime().AsTime(), Changed: timeOf(info.GetUpdateTime()), UI: a.Where.ScheduleLink(id),
	}
	if r.Note == resumedNote {
		r.Note = ""
	}
	_, known := catalog.TypeOf(r.Kind)
	r.Cogflow = known && r.TaskQueue == workflows.QueueMain
	if known && !r.Cogflow {
		r.Warnings = append(r.Warnings, "the task queue "+r.TaskQueue+" has no workers of cogflow; they serve "+workflows.QueueMain)
	}
	for _, t := range info.GetFutureActionTimes() {
		if t.AsTime().After(now) || !state.GetPaused() { // of a paused schedule, they stay as they were
			r.Next = append(r.Next, t.AsTime())
		}
	}
	for _, action := range info.GetRecentActions() {
		r.Recent = append(r.Recent, a.recent(action))
	}
	for _, e := range info.GetRunningWorkflows() {
		r.Running = append(r.Running, a.running(r.Recent, e))
	}
	if state.GetLimitedActions() {
		left := state.GetRemainingActions()
		r.RunsLeft = &left
	}
	switch {
	case state.GetPaused():
		r.State = "paused"
	case len(r.Next) == 0, r.RunsLeft != nil && *r.RunsLeft == 0:
		r.State = "ended"
	}
	r.Lost = r.losses(s)
	return r
}

func timeOf(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime()
	return &at
}

func (a app) recent(r *schedulepb.ScheduleActionResult) run {
	e := r.GetStartWorkflowResult()
	out := run{
		WorkflowID: e.GetWorkflowId(), RunID: e.GetRunId(), Due: timeOf(r.GetScheduleTime()), Started: timeOf(r.GetActualTime()),
		UI: a.Where.Link(e.GetWorkflowId(), e.GetRunId()),
	}
	if s := r.GetStartWorkflowStatus(); s != enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED {
		out.Status = cli.StatusText(s)
	}
	return out
}

// running is a run that is open, with the times of its start if it is one of the recent runs.
func (a app) running(recent []run, e *commonpb.WorkflowExecution) run {
	for _, r := range recent {
		if r.RunID == e.GetRunId() {
			return r
		}
	}
	return run{WorkflowID: e.GetWorkflowId(), RunID: e.GetRunId(), UI: a.Where.Link(e.GetWorkflowId(), e.GetRunId())}
}

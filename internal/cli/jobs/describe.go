package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
)

// state is the output of `status ID --json`.
type state struct {
	execution
	Summary  string          `json:"summary,omitempty"`
	Progress json.RawMessage `json:"progress,omitempty"` // LibraryProgress, VideoProgress, TrainProgress, SweepResult or OptimizeProgress
	Steps    []step          `json:"steps"`              // pending activities
	Waits    *waits          `json:"waits,omitempty"`    // of the active children
	Result   json.RawMessage `json:"result,omitempty"`
	Failure  *cli.Failure    `json:"failure,omitempty"`

	progress cli.Progress // nil = unknown
}

// step is one pending activity of the job or of one of its videos.
type step struct {
	Workflow    string `json:"workflow"`
	Activity    string `json:"activity"`
	Queue       string `json:"queue,omitempty"`
	State       string `json:"state"` // such as "running for 2s"
	Attempt     int    `json:"attempt"`
	LastFailure string `json:"last_failure,omitempty"`
	Worker      string `json:"worker,omitempty"`
	NoWorker    bool   `json:"no_worker,omitempty"` // it waits, and no worker serves its queue

	waits bool // for a worker
}

func (a app) statusOf(ctx context.Context, c client.Client, id string) error {
	s, err := a.inspect(ctx, c, id)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(s)
	}
	return a.printState(s)
}

func (a app) inspect(ctx context.Context, c client.Client, id string) (state, error) {
	a.About = id
	description, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return state{}, err
	}
	d := description.RawResponse
	s := state{
		execution: a.execution(d.GetWorkflowExecutionInfo()),
		Summary:   summaryOf(d), Steps: steps(id, d.GetPendingActivities(), time.Now()),
	}
	if workflows.Closed(d.GetWorkflowExecutionInfo().GetStatus()) {
		if err := c.GetWorkflow(ctx, id, s.RunID).Get(ctx, &s.Result); err != nil {
			if ctx.Err() != nil {
				return state{}, err
			}
			f := a.Explain(err)
			s.Failure = &f
		}
		return s, nil
	}
	var children []string
	for _, child := range d.GetPendingChildren() {
		children = append(children, child.GetWorkflowId())
	}
	if p, ok := a.Progress(ctx, c, s.Kind, id); ok {
		s.progress = p
		if s.Progress, err = json.Marshal(p.JSON()); err != nil {
			return state{}, err
		}
		// The progress also has the children that an earlier run of the job started.
		if job, ok := p.(cli.Parent); ok && job.Children() != nil {
			children = job.Children()
			w := askWaits(ctx, c, children)
			s.Waits = &w
		}
	}
	s.Steps = append(s.Steps, childSteps(ctx, c, children)...)
	return s, a.markUnserved(ctx, c, s.Steps)
}

// markUnserved says of the steps that wait for a worker whether there is none.
func (a app) markUnserved(ctx context.Context, c client.Client, all []step) error {
	var queues []string
	for _, s := range all {
		if s.waits && s.Queue != "" && !slices.Contains(queues, s.Queue) {
			queues = append(queues, s.Queue)
		}
	}
	if len(queues) == 0 {
		return nil
	}
	f, err := fleet.Describe(ctx, a.App, c, queues...)
	if err != nil {
		return err
	}
	for i, s := range all {
		if at := slices.Index(queues, s.Queue); s.waits && at >= 0 && f.Queues[at].Workers == 0 {
			all[i].NoWorker = true
			all[i].State += "; no worker serves the queue"
		}
	}
	return nil
}

// maxChildren is the maximum number of children whose steps are shown.
const maxChildren = 8

// childSteps returns the steps of the active videos of a library.
func childSteps(ctx context.Context, c client.Client, children []string) (all []step) {
	for _, id := range children[:min(len(children), maxChildren)] {
		// A video that has ended in the meantime has no steps.
		if d, err := c.DescribeWorkflow(ctx, id, ""); err == nil {
			all = append(all, steps(id, d.RawResponse.GetPendingActivities(), time.Now())...)
		}
	}
	return all
}

func steps(workflow string, pending []*workflowpb.PendingActivityInfo, now time.Time) []step {
	all := make([]step, 0, len(pending))
	for _, p := range pending {
		state, waits := stepState(p, now)
		all = append(all, step{
			Workflow: workflow, Activity: p.GetActivityType().GetName(), Queue: p.GetActivityOptions().GetTaskQueue().GetName(), State: state,
			Attempt: int(p.GetAttempt()), LastFailure: failureOf(p.GetLastFailure()), Worker: p.GetLastWorkerIdentity(), waits: waits,
		})
	}
	return all
}

// stepState is the state of a step in words, and whether the step waits for a worker.
func stepState(p *workflowpb.PendingActivityInfo, now time.Time) (text string, waits bool) {
	switch {
	case p.GetPaused():
		return "paused", false
	case p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED:
		return "running for " + format.Span(now.Sub(p.GetLastStartedTime().AsTime())), false
	case p.GetState() == enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED:
		return "being cancelled", false
	case p.GetScheduledTime() != nil && p.GetScheduledTime().AsTime().After(now):
		return "tried again in " + format.Span(p.GetScheduledTime().AsTime().Sub(now)), false
	case p.GetNextAttemptScheduleTime() != nil && p.GetNextAttemptScheduleTime().AsTime().After(now):
		return "tried again in " + format.Span(p.GetNextAttemptScheduleTime().AsTime().Sub(now)), false
	default:
		on := p.GetActivityOptions().GetTaskQueue().GetName()
		if on != "" {
			on = " on " + on
		}
		return "waiting for a worker" + on + " for " + format.Span(now.Sub(p.GetScheduledTime().AsTime())), true
	}
}

func failureOf(f *failurepb.Failure) string {
	if f == nil {
		return ""
	}
	text := f.GetMessage()
	if class := f.GetApplicationFailureInfo().GetType(); class != "" {
		text = class + " error: " + text
	}
	return text
}

// summaryOf returns the summary that was set at the start, or "".
func summaryOf(d *workflowservice.DescribeWorkflowExecutionResponse) string {
	payload := d.GetExecutionConfig().GetUserMetadata().GetSummary()
	var text string
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &text) != nil {
		return ""
	}
	return text
}

func (a app) printState(s state) error {
	a.Say("%s", s.WorkflowID)
	if s.Summary != "" {
		a.Say("%s", safetext.Clean(s.Summary))
	}
	a.Say("%s %s, started %s", s.kindText(), s.Status, format.Ago(s.Started, time.Now()))
	a.Say("Web UI: %s", s.UI)
	switch {
	case s.Failure != nil:
		a.Say("%s", s.Failure)
	case s.Result != nil:
		return a.PrintResult(s.Kind, s.WorkflowID, s.Result)
	case s.progress == nil:
		a.Say("No worker answers queries about this job now; see cogflow status.")
	default:
		s.progress.Print(a.App)
	}
	if s.Waits != nil && s.Waits.String() != "" {
		a.Say("")
		a.Say("%s", s.Waits)
	}
	if len(s.Steps) > 0 {
		a.printSteps(s.Steps)
	}
	if slices.ContainsFunc(s.Steps, func(one step) bool { return one.waits || one.LastFailure != "" }) {
		a.Say("")
		a.Say("What ends that, and what you can do: cogflow explain %s", s.WorkflowID)
	}
	return nil
}

func (a app) printSteps(all []step) {
	rows := make([][]string, len(all))
	for i, s := range all {
		rows[i] = []string{s.Activity, s.State, fmt.Sprint(s.Attempt), s.LastFailure}
	}
	a.Say("")
	a.Table([]cli.Column{{Name: "step"}, {Name: "state", Flex: true}, {Name: "attempt", Right: true}, {Name: "last failure", Flex: true}}, rows)
}

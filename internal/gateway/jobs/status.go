package jobs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// Job is the state of a job.
type Job struct {
	ID       string     `json:"id"`
	RunID    string     `json:"run_id"`
	Type     string     `json:"type" jsonschema:"workflow type"`
	Name     string     `json:"name,omitempty" jsonschema:"of the source, the adapter or the program"`
	State    string     `json:"state" jsonschema:"running, completed, failed, cancelled, terminated or timed_out"`
	Stage    string     `json:"stage,omitempty" jsonschema:"what the run does or waits for, such as extract, train, blocked, budget or done"`
	DryRun   bool       `json:"dry_run,omitempty"`
	Started  time.Time  `json:"started"`
	Closed   *time.Time `json:"closed,omitempty"`
	Failed   int64      `json:"failed" jsonschema:"items that failed, such as videos"`
	CostUSD  float64    `json:"cost_usd" jsonschema:"what the run has paid so far"`
	Progress any        `json:"progress,omitempty" jsonschema:"counts of a running job; the reference of workflows lists them by type"`
	Details  string     `json:"details,omitempty" jsonschema:"the current details of the Web UI, in Markdown"`
	Steps    []Step     `json:"steps,omitempty" jsonschema:"activities that run or wait"`
	Error    *Failure   `json:"error,omitempty" jsonschema:"why a job failed"`
	UI       string     `json:"ui" jsonschema:"page of the run in the Temporal Web UI"`
	Event    int64      `json:"event" jsonschema:"number of the state, for /events?after="`
}

// Step is an activity that runs or waits.
type Step struct {
	Activity    string `json:"activity"`
	State       string `json:"state" jsonschema:"running, waiting or paused"`
	Attempt     int32  `json:"attempt"`
	LastFailure string `json:"last_failure,omitempty"`
}

// Failure is why a job failed, and what to do.
type Failure struct {
	Class   string `json:"class" jsonschema:"input, auth, overload, capacity, transport, preempted, budget, timeout, cancelled or terminated"`
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
}

// States of jobs.
const (
	StateRunning   = "running"
	StateCompleted = "completed"
	StateFailed    = "failed"
	StateCancelled = "cancelled"
	StateStopped   = "terminated"
	StateTimedOut  = "timed_out"
)

func stateOf(s enumspb.WorkflowExecutionStatus) string {
	switch s {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return StateCompleted
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		return StateFailed
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return StateCancelled
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return StateStopped
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return StateTimedOut
	default: // also what continues as another run
		return StateRunning
	}
}

func (a *API) show(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	j, err := a.Status(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	api.WriteJSON(w, http.StatusOK, j)
	return nil
}

// Status is the state of a job of the caller's tenant.
func (a *API) Status(ctx context.Context, c api.Caller, id string) (Job, error) {
	d, err := a.find(ctx, c, id)
	if err != nil {
		return Job{}, err
	}
	return a.status(ctx, d)
}

// find describes a job of the caller's tenant. A job of another tenant is answered exactly as one
// that does not exist, after the same call of the server.
func (a *API) find(ctx context.Context, c api.Caller, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if !validID(id) {
		return nil, noJob()
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	d, err := a.describe(ctx, id)
	if err != nil {
		return nil, told(err)
	}
	info := d.GetWorkflowExecutionInfo()
	_, known := catalog.TypeOf(info.GetType().GetName())
	if ownerOf(d) != string(c.Tenant) || !known {
		a.Log.Warn("refused: the job is of another tenant", append(c.Attrs(), slog.String("job", safetext.Line(id, safetext.MaxReason)))...)
		return nil, noJob()
	}
	return d, nil
}

func (a *API) describe(ctx context.Context, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return a.Temporal.WorkflowService().DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: a.Server.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: id},
	})
}

func ownerOf(d *workflowservice.DescribeWorkflowExecutionResponse) string {
	return textOf(d.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()[workflows.AttrTenant])
}

// textOf is the text of a memo or an attribute; "" = it has none.
func textOf(p *commonpb.Payload) (text string) { return valueOf[string](p) }

func valueOf[T any](p *commonpb.Payload) (v T) {
	if p == nil || converter.GetDefaultDataConverter().FromPayload(p, &v) != nil {
		var none T
		return none
	}
	return v
}

// summary is what the lists of the server say about a run.
func (a *API) summary(info *workflowpb.WorkflowExecutionInfo) Job {
	id, run := info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()
	fields := info.GetSearchAttributes().GetIndexedFields()
	j := Job{
		ID: id, RunID: run, Type: info.GetType().GetName(), State: stateOf(info.GetStatus()), UI: a.Server.Link(id, run),
		Name: safetext.Clean(textOf(info.GetMemo().GetFields()[workflows.MemoName])), Started: info.GetStartTime().AsTime(),
		Stage: textOf(fields[workflows.AttrStage]), Failed: valueOf[int64](fields[workflows.AttrFailed]), CostUSD: valueOf[float64](fields[workflows.AttrCost]),
		Event: eventOf(info),
	}
	j.DryRun = j.Stage == workflows.StageDryRun || strings.HasPrefix(id, submit.DryRuns)
	if info.GetCloseTime() != nil && j.State != StateRunning {
		closed := info.GetCloseTime().AsTime()
		j.Closed = &closed
	}
	return j
}

// eventOf numbers the states of a job: the second in which the run started, then its events. A job
// that continues as another run goes on with higher numbers. The numbers are below 2^53.
func eventOf(info *workflowpb.WorkflowExecutionInfo) int64 {
	const events = 20 // bits; the server ends a run before it has so many
	return info.GetStartTime().AsTime().Unix()<<events + info.GetHistoryLength()
}

// queryTime bounds a question to a worker: without one, the state is answered without progress.
const queryTime = 2 * time.Second

func (a *API) status(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) (Job, error) {
	j := a.summary(d.GetWorkflowExecutionInfo())
	if j.State != StateRunning {
		if j.State == StateCompleted {
			return j, nil
		}
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		err := a.Temporal.GetWorkflow(ctx, j.ID, j.RunID).Get(ctx, nil)
		class, message, ok := submit.Cause(err)
		if !ok {
			return j, told(err)
		}
		j.Error = &Failure{Class: class, Message: safetext.Lines(message, safetext.MaxMessage), Advice: advice(class)}
		return j, nil
	}
	for _, p := range d.GetPendingActivities() {
		j.Steps = append(j.Steps, stepOf(p))
	}
	if t, _ := catalog.TypeOf(j.Type); t.Progress == nil {
		return j, nil
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	var progress any
	if err := a.query(ctx, j, workflows.QueryProgress, &progress); err != nil {
		return j, unlessSilent(err)
	}
	j.Progress = progress
	var meta sdkpb.WorkflowMetadata
	if err := a.query(ctx, j, "__temporal_workflow_metadata", &meta); err != nil {
		return j, unlessSilent(err)
	}
	j.Details = meta.GetCurrentDetails()
	return j, nil
}

func (a *API) query(ctx context.Context, j Job, name string, into any) error {
	value, err := a.Temporal.QueryWorkflow(ctx, j.ID, j.RunID, name)
	if err != nil {
		return err
	}
	return value.Get(into)
}

// unlessSilent is nil if no worker answered a query: that is no failure of the job, whose state
// is known without it.
func unlessSilent(err error) error {
	_, unready := errors.AsType[*serviceerror.WorkflowNotReady](err)
	_, failed := errors.AsType[*serviceerror.QueryFailed](err)
	_, late := errors.AsType[*serviceerror.DeadlineExceeded](err)
	_, early := errors.AsType[*serviceerror.FailedPrecondition](err)
	_, busy := errors.AsType[*serviceerror.ResourceExhausted](err)
	if unready || failed || late || early || busy || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return told(err)
}

func stepOf(p *workflowpb.PendingActivityInfo) Step {
	s := Step{Activity: p.GetActivityType().GetName(), State: "waiting", Attempt: p.GetAttempt()}
	switch {
	case p.GetPaused():
		s.State = "paused"
	case p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED:
		s.State = "running"
	}
	if f := p.GetLastFailure(); f != nil {
		s.LastFailure = safetext.Line(f.GetMessage(), safetext.MaxReason)
	}
	return s
}

package logs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/logfile"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// trained identifies a training job by fields of the input of its activity.
type trained struct {
	Tenant tenant.ID `json:"tenant"`
	Job    string    `json:"job"`
}

// trainers reads the logs of the trainers of a workflow and of its child workflows.
type trainers struct {
	client  client.Client
	id, run string
	store   func(context.Context) (blob.Store, error)

	training bool               // the workflow is a training run or a sweep
	sweep    bool               // the workflow is a sweep, which starts training workflows
	began    time.Time          // start of the selected run; zero = any run
	jobs     map[trained]string // workflow ids
	shown    map[string]mark    // by object key
	opened   blob.Store
}

// mark is the position up to which a log was shown. It is a time, not an offset, because a
// growing log loses lines from its middle.
type mark struct {
	sha256 string
	at     time.Time // of the last shown line
	same   int       // number of shown lines with that time
}

// maxSweep is the maximum number of runs of a sweep whose logs are read.
const maxSweep = 256

// find determines whether the workflow is a training run or a sweep.
func (t *trainers) find(ctx context.Context) error {
	d, err := t.client.DescribeWorkflow(ctx, t.id, t.run)
	if err != nil {
		return err
	}
	t.training, t.sweep = strings.HasPrefix(d.WorkflowType.Name, "Train"), d.WorkflowType.Name == "TrainSweep"
	if t.run != "" {
		t.began = d.WorkflowStartTime
	}
	t.jobs, t.shown = map[trained]string{}, map[string]mark{}
	return nil
}

// next returns the lines since the last call.
func (t *trainers) next(ctx context.Context) (all []line, err error) {
	if !t.training {
		return nil, nil
	}
	if t.sweep || len(t.jobs) == 0 {
		if err := t.look(ctx, t.id, t.run, t.sweep); err != nil {
			return nil, err
		}
	}
	if len(t.jobs) > 0 && t.opened == nil {
		if t.opened, err = t.store(ctx); err != nil {
			return nil, err
		}
	}
	for job, id := range t.jobs {
		more, err := t.read(ctx, job, id)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// look finds the training jobs of a run in its history. For a sweep it also reads the histories
// of the children.
func (t *trainers) look(ctx context.Context, id, run string, sweep bool) error {
	var children []string
	var before string // previous run, before continue-as-new
	events := t.client.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return err
		}
		if job, ok := jobOf(e); ok {
			t.jobs[job] = id
		}
		if begun := e.GetWorkflowExecutionStartedEventAttributes(); begun != nil {
			before = begun.GetContinuedExecutionRunId()
		}
		if child := e.GetStartChildWorkflowExecutionInitiatedEventAttributes(); child != nil && len(children) < maxSweep {
			children = append(children, child.GetWorkflowId())
		}
	}
	if before != "" && !slices.Contains(t.ids(), id) {
		return t.look(ctx, id, before, sweep)
	}
	for _, child := range children {
		if !sweep || slices.Contains(t.ids(), child) {
			continue
		}
		err := t.look(ctx, child, "", false)
		if _, missing := errors.AsType[*serviceerror.NotFound](err); err != nil && !missing { // a child that has not started yet is found later
			return err
		}
	}
	return nil
}

func (t *trainers) ids() (ids []string) {
	for _, id := range t.jobs {
		ids = append(ids, id)
	}
	return ids
}

// jobOf reads the job from the event that schedules its training activity.
func jobOf(e *historypb.HistoryEvent) (job trained, ok bool) {
	a := e.GetActivityTaskScheduledEventAttributes()
	if a.GetActivityType().GetName() != "RunTraining" {
		return trained{}, false
	}
	err := converter.GetDefaultDataConverter().FromPayloads(a.GetInput(), &job)
	return job, err == nil && job.Job != ""
}

// read reads the logs of a job that have changed.
func (t *trainers) read(ctx context.Context, job trained, id string) (all []line, err error) {
	var changed []object.Info
	err = t.opened.List(ctx, training.LogsPrefix(job.Tenant, job.Job), func(o object.Info) error {
		if t.shown[o.Key].sha256 != o.SHA256 || o.SHA256 == "" {
			changed = append(changed, o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, o := range changed {
		more, err := t.readLog(ctx, o, id)
		if err != nil && !errors.Is(err, object.ErrNotFound) { // not found: a newer attempt has deleted it
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

func (t *trainers) readLog(ctx context.Context, o object.Info, id string) (all []line, err error) {
	from, _, err := t.opened.Get(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	m := t.shown[o.Key]
	now := mark{sha256: o.SHA256, at: m.at}
	_, err = logfile.Lines(from, func(text []byte) {
		stamp, said, _ := strings.Cut(string(text), " ")
		at, err := time.Parse(training.LogTime, stamp)
		if err != nil || at.Before(m.at) || at.Before(t.began) {
			return
		}
		if !at.Equal(now.at) {
			now.at, now.same = at, 0
		}
		if now.same++; at.Equal(m.at) && now.same <= m.same {
			return
		}
		all = append(all, line{Time: at, Source: fromTrainer, Level: "info", WorkflowID: id, Message: said})
	})
	if err == nil {
		t.shown[o.Key] = now
	}
	return all, err
}

package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/devserver/devservertest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// live is a trainWorld on a real server, because only a real server waits for cancelled
// activities and times out on queues without a worker.
type live struct {
	*trainWorld
	client client.Client
}

// liveServer starts a server and connects to it.
func liveServer(t *testing.T) client.Client {
	t.Helper()
	return devservertest.Dial(t, client.Options{HostPort: devservertest.Start(t, "../bin").Address()})
}

// patiently repeats a request until the server answers it, which it does not while it is restarted. A job that failed is an
// answer.
func patiently(t *testing.T, request func() error) error {
	t.Helper()
	tick, late := time.NewTicker(100*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		err := request()
		if _, ended := errors.AsType[*temporal.WorkflowExecutionError](err); err == nil || ended {
			return err
		}
		select {
		case <-tick.C:
		case <-late:
			return err
		case <-t.Context().Done():
			return err
		}
	}
}

// begin starts a workflow. A second request under the id of a running one finds that one.
func begin(t *testing.T, c client.Client, o client.StartWorkflowOptions, kind string, in ...any) (run client.WorkflowRun) {
	t.Helper()
	require.NoError(t, patiently(t, func() (err error) {
		run, err = c.ExecuteWorkflow(t.Context(), o, kind, in...)
		return err
	}))
	return run
}

// end waits for the end of a workflow, and reads its result. out may be nil.
func end(t *testing.T, run client.WorkflowRun, out any) error {
	t.Helper()
	return patiently(t, func() error { return run.Get(t.Context(), out) })
}

// newLive serves the workflows, and training on the given classes.
func newLive(t *testing.T, classes ...string) *live {
	t.Helper()
	l := &live{trainWorld: newTrainWorld(t), client: liveServer(t)}
	l.train.Runs = liveRuns{l.client}
	queues := []string{workflows.QueueMain, workflows.QueueMedia}
	for _, class := range classes {
		queues = append(queues, workflows.ClassQueue(workflows.StemTrain, class))
	}
	for _, queue := range queues {
		w := worker.New(l.client, queue, worker.Options{
			Interceptors:                 activities.Interceptors(0, nil),
			MaxHeartbeatThrottleInterval: time.Second,
		})
		w.RegisterActivity(l.train)
		w.RegisterActivity(l.adapters())
		w.RegisterActivity(l.spend())
		register(w)
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
	}
	return l
}

// liveRuns queries the server.
type liveRuns struct{ client client.Client }

func (r liveRuns) VideoTenant(context.Context, string, string) (tenant.ID, error) { return "", nil }

func (r liveRuns) Running(ctx context.Context, workflowID, runID string) (bool, error) {
	d, err := r.client.DescribeWorkflow(ctx, workflowID, runID)
	if err != nil {
		return false, err
	}
	return !workflows.Closed(d.Status), nil
}

func (r liveRuns) ChainRunning(ctx context.Context, workflowID, runID string) (bool, error) {
	return r.Running(ctx, workflowID, runID)
}

func (r liveRuns) Signal(ctx context.Context, workflowID, runID, name string, payload any) error {
	return r.client.SignalWorkflow(ctx, workflowID, runID, name, payload)
}

func (l *live) start(kind string, in any) client.WorkflowRun {
	l.t.Helper()
	return begin(l.t, l.client, client.StartWorkflowOptions{ID: "job", TaskQueue: workflows.QueueMain}, kind, in)
}

func (l *live) signal(name string) {
	if err := patiently(l.t, func() error { return l.client.SignalWorkflow(l.t.Context(), "job", "", name, nil) }); err != nil {
		l.t.Error(err)
	}
}

func (l *live) result(run client.WorkflowRun) trainflow.Result {
	l.t.Helper()
	var out trainflow.Result
	require.NoError(l.t, end(l.t, run, &out))
	return out
}

// until waits until the progress of the run satisfies a condition.
func (l *live) until(what func(p trainflow.Progress) bool) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		value, err := l.client.QueryWorkflow(l.t.Context(), "job", "", workflows.QueryProgress)
		if err != nil {
			return false
		}
		var p trainflow.Progress
		return value.Get(&p) == nil && what(p)
	}, 5*time.Minute, 50*time.Millisecond)
}

func (l *live) cancel() error {
	return patiently(l.t, func() error { return l.client.CancelWorkflow(l.t.Context(), "job", "") })
}

// describe asks the server about a workflow.
func (l *live) describe(id string) (d *client.WorkflowExecutionDescription) {
	l.t.Helper()
	require.NoError(l.t, patiently(l.t, func() (err error) {
		d, err = l.client.DescribeWorkflow(l.t.Context(), id, "")
		return err
	}))
	return d
}

// budget changes the limit of the run.
func (l *live) budget(usd float64) {
	err := patiently(l.t, func() error {
		handle, err := l.client.UpdateWorkflow(l.t.Context(), client.UpdateWorkflowOptions{
			WorkflowID: "job", UpdateName: workflows.UpdateBudget, Args: []any{usd}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err != nil {
			return err
		}
		return handle.Get(l.t.Context(), nil)
	})
	if err != nil {
		l.t.Error(err)
	}
}

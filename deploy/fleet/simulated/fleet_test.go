package simulated

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workers/polling"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// fleet is the workers of one test.
type fleet struct {
	t         testing.TB
	client    client.Client
	namespace string

	gpuTime atomic.Int64 // a time.Duration that each query takes on a GPU

	mu    sync.Mutex
	taken []task
}

// task is an activity that a worker took.
type task struct {
	activity, queue, workflow string
	owner                     tenant.ID
	priority                  temporal.Priority
	at                        time.Time
}

// newFleet starts the workers that need no GPU, which serve everything but the queues of GPU classes.
func newFleet(t testing.TB) *fleet {
	f := &fleet{t: t}
	f.client, f.namespace = dial(t, address(t))
	for _, queue := range []string{workflows.QueueMain, workflows.QueueMedia, workflows.QueueIndex} {
		f.serve(queue, 64)
	}
	return f
}

// serve starts a worker with simulated activities.
func (f *fleet) serve(queue string, slots int) {
	f.t.Helper()
	var w worker.Worker
	err := persist(func() (err error) {
		w, err = startWorker(f.client, queue, slots, f.activities(), func(err error) { f.t.Error(err) })
		return err
	})
	require.NoError(f.t, err)
	f.t.Cleanup(w.Stop)
}

// startWorker starts a worker with the options of production.
func startWorker(c client.Client, queue string, slots int, named map[string]any, fatal func(error)) (worker.Worker, error) {
	w := worker.New(c, queue, polling.Options(polling.Queue{
		Slots: slots, Workflows: queue == workflows.QueueMain, Build: "simulated", Fatal: fatal,
	}))
	if queue == workflows.QueueMain {
		for _, one := range catalog.Types() {
			w.RegisterWorkflowWithOptions(one.Func, workflow.RegisterOptions{Name: one.Name})
		}
	}
	for name, do := range named {
		w.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
	return w, w.Start()
}

// note records that a worker took a task.
func (f *fleet) note(ctx context.Context, owner tenant.ID) {
	info := activity.GetInfo(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken = append(f.taken, task{info.ActivityType.Name, info.TaskQueue, info.WorkflowExecution.ID, owner, info.Priority, time.Now()})
}

// tasks returns the tasks of an activity in the order in which workers took them.
func (f *fleet) tasks(name string) []task {
	return f.which(func(one task) bool { return one.activity == name })
}

// on returns the tasks of a queue in the same order.
func (f *fleet) on(queue string) []task {
	return f.which(func(one task) bool { return one.queue == queue })
}

func (f *fleet) which(matches func(task) bool) (out []task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.taken {
		if matches(one) {
			out = append(out, one)
		}
	}
	return out
}

// persist repeats what the server must answer, which it does not while it is restarted.
func persist(do func() error) (err error) {
	pause := time.NewTicker(time.Second)
	defer pause.Stop()
	for range 60 {
		if err = do(); err == nil {
			break
		}
		<-pause.C
	}
	return err
}

// start starts a job as the command line does. A second start under the id of a running job starts nothing.
func (f *fleet) start(id, kind string, common workflows.Common, in any) error {
	return persist(func() error {
		_, err := f.client.ExecuteWorkflow(f.t.Context(), client.StartWorkflowOptions{
			ID: id, TaskQueue: workflows.QueueMain,
			Priority: temporal.Priority{PriorityKey: common.Priority, FairnessKey: common.Tenant},
		}, kind, in)
		return err
	})
}

// awaitResult waits for the result of a job, which must end well. out may be nil.
func (f *fleet) awaitResult(t testing.TB, id string, out any) {
	t.Helper()
	patiently(t, "result of "+id, func() error { return f.client.GetWorkflow(t.Context(), id, "").Get(t.Context(), out) })
}

// backlog is the number of tasks of a queue that wait for a worker; -1 = the server does not say.
func (f *fleet) backlog(queue string) int {
	d, err := f.client.WorkflowService().DescribeTaskQueue(f.t.Context(), &workflowservice.DescribeTaskQueueRequest{
		Namespace: f.namespace, TaskQueue: &taskqueue.TaskQueue{Name: queue}, TaskQueueType: enums.TASK_QUEUE_TYPE_ACTIVITY, ReportStats: true,
	})
	if err != nil {
		return -1
	}
	return int(d.GetStats().GetApproximateBacklogCount())
}

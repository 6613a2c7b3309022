// Package workerlist asks Temporal which workers live. It keeps no list of its own.
package workerlist

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/notice"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
)

// Worker is one worker process on one task queue.
type Worker struct {
	Identity string
	Queue    string
	Host     string
	GPUs     string // as the worker tells them; empty = none
	Draining bool
	Notice   string    // why its host will be taken away; empty = it will not
	Beat     time.Time // of its last report
	Slots    Slots     // for activities
	Tasks    Slots     // for workflow tasks; only of workers of the main queue
}

// Slots are how many tasks workers run, and how many more they could.
type Slots struct {
	Used int `json:"used"`
	Free int `json:"free"`
}

// List lists the living workers; listed is false if the server cannot.
func List(ctx context.Context, c client.Client, namespace string) (all []Worker, listed bool, err error) {
	for token := []byte(nil); ; {
		r, err := c.WorkflowService().ListWorkers(ctx, &workflowservice.ListWorkersRequest{Namespace: namespace, PageSize: 1000, NextPageToken: token})
		if unsupported(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		// Servers of today list slots here. Those that stop will need a request for each worker.
		for _, info := range r.GetWorkersInfo() { //nolint:staticcheck // deprecated without a replacement in server 1.29
			if w := info.GetWorkerHeartbeat(); w.GetStatus() != enumspb.WORKER_STATUS_SHUTDOWN {
				all = append(all, worker(w))
			}
		}
		if token = r.GetNextPageToken(); len(token) == 0 {
			here, _ := os.Hostname() // without a name, all hosts are others
			return living(all, time.Now(), here), true, nil
		}
	}
}

// gpuPlugin is where workers tell their GPUs; see workers/gpus.
const gpuPlugin = "cogflow.gpus"

func worker(w *workerpb.WorkerHeartbeat) Worker {
	slots := func(of *workerpb.WorkerSlotsInfo) Slots {
		return Slots{Used: int(of.GetCurrentUsedSlots()), Free: max(0, int(of.GetCurrentAvailableSlots()))}
	}
	said := func(plugin string) (text string) {
		for _, p := range w.GetPlugins() {
			if p.GetName() == plugin {
				text = safetext.Line(p.GetVersion(), safetext.MaxReason)
			}
		}
		return text
	}
	return Worker{
		GPUs: said(gpuPlugin), Notice: said(notice.Plugin),
		Identity: w.GetWorkerIdentity(), Queue: w.GetTaskQueue(), Host: cmp.Or(w.GetHostInfo().GetHostName(), w.GetWorkerIdentity()),
		Draining: w.GetStatus() == enumspb.WORKER_STATUS_SHUTTING_DOWN, Beat: w.GetHeartbeatTime().AsTime(),
		Slots: slots(w.GetActivityTaskSlotsInfo()), Tasks: slots(w.GetWorkflowTaskSlotsInfo()),
	}
}

// unsupported reports that a server does not know the request, or does not serve it.
func unsupported(err error) bool {
	switch err.(type) { //nolint:errorlint // the client returns these as they are
	case *serviceerror.Unimplemented, *serviceerror.PermissionDenied:
		return true
	}
	return false
}

// A process reports every 10 seconds. The server lists one that was killed for many minutes more.
const (
	// beatAge is how much older than that of others the last report of a dead process is.
	beatAge = time.Minute
	// lastBeat is its age by the clock of this host, for the case that all processes are dead. The clock
	// of another host may differ by minutes.
	lastBeat      = 90 * time.Second
	lastBeatThere = 5 * time.Minute
)

// living leaves out the processes that were killed. here is the name of this host.
func living(all []Worker, now time.Time, here string) []Worker {
	var newest time.Time
	for _, w := range all {
		if w.Beat.After(newest) {
			newest = w.Beat
		}
	}
	return slices.DeleteFunc(all, func(w Worker) bool {
		most := lastBeatThere
		if w.Host == here {
			most = lastBeat
		}
		return newest.Sub(w.Beat) >= beatAge || now.Sub(w.Beat) >= most
	})
}

// HostQueues are the task queues of worker processes that answer questions about their hosts.
func HostQueues(all []Worker) (queues []string) {
	for _, w := range all {
		if workflows.IsHostQueue(w.Queue) && !slices.Contains(queues, w.Queue) {
			queues = append(queues, w.Queue)
		}
	}
	slices.Sort(queues)
	return queues
}

// ErrNotListed is the fault of a question that needs the list of workers.
func ErrNotListed() error {
	return fault.New(fault.Input, "find worker processes", "",
		"this Temporal server lists no workers; use version 1.29 with frontend.ListWorkersEnabled and frontend.WorkerHeartbeatsEnabled")
}

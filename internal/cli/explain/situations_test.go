package explain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	commonpb "go.temporal.io/api/common/v1"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/explain"
	"github.com/cogniverse/cogflow/internal/cli/root"
)

// situation is a job, and what explain must say about it.
type situation struct {
	name  string // and workflow id
	kind  string // default: IngestVideo
	in    script
	start client.StartWorkflowOptions
	then  func(t *testing.T, s *scene) // provokes the situation
	asks  string                       // id to explain; default: name
	cause string
	says  []string // in the texts of the causes, or in their commands
}

// described is a script with one step on a queue of model calls.
func described(queue, does string) script {
	return script{Steps: []scripted{{Name: "DescribeChunk", Queue: queue, Does: does}}}
}

// TestSituations provokes situations on a real server, and checks the cause that explain gives for each.
// Workflows and activities of the test stand under the real names on the real queues; the calls
// of models go through the real broker, ledger and heartbeats.
func TestSituations(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	s := newScene(t, b)

	s.start(t, "alone", "IngestVideo", script{}, client.StartWorkflowOptions{})
	s.explains(t, b, situation{asks: "alone", cause: explain.NoWorkflowWorker, says: []string{"cogflow-worker --pools cogflow"}})

	s.serve(t, "cogflow", 16, time.Second)
	s.serve(t, "describe-cpu", 64, time.Second)
	s.serve(t, "train-a10g", 1, time.Second)
	s.serve(t, "train-t4", 4, time.Second)
	drain := s.serve(t, "embed-cpu", 4, time.Hour)
	t.Cleanup(func() { close(s.release) }) // first, so that the steps end and the workers with them
	s.start(t, "uses the GPU", "TrainSFT", script{Steps: []scripted{{Name: "RunTraining", Queue: "train-t4", Does: "runs"}}}, client.StartWorkflowOptions{})
	s.start(t, "holds the slot", "TrainSFT", script{Steps: []scripted{{Name: "RunTraining", Queue: "train-a10g", Does: "runs"}}}, client.StartWorkflowOptions{})
	s.runs(t, "holds the slot")
	for _, one := range situations(drain) {
		b.Step(one.name, func(t *testing.T, b *clitest.Bench) {
			t.Parallel()
			if one.kind == "" {
				one.kind = "IngestVideo"
			}
			if one.asks == "" {
				one.asks = one.name
			}
			if one.kind != "none" {
				s.start(t, one.name, one.kind, one.in, one.start)
			}
			if one.then != nil {
				one.then(t, s)
			}
			s.explains(t, b, one)
		})
	}
}

// explains waits until explain gives the cause, which takes a heartbeat or two.
func (s *scene) explains(t *testing.T, b *clitest.Bench, want situation) {
	t.Helper()
	last := ""
	assert.Eventually(t, func() bool {
		code, out, errors := b.Run("explain", want.asks, "--json")
		if last = out + errors; code != cli.ExitDone {
			return false
		}
		answer := clitest.Decode[explain.Answer](t, out)
		if answer.Cause != want.cause {
			return false
		}
		for _, text := range want.says {
			if !strings.Contains(out, text) {
				return false
			}
		}
		for _, c := range answer.Causes {
			if c.Text == "" || c.Ends == "" || len(c.Do) == 0 {
				return false
			}
		}
		return true
	}, time.Minute, 300*time.Millisecond)
	if t.Failed() {
		t.Log(want.asks, want.cause, last)
		return
	}
	_, text, _ := b.Run("explain", want.asks)
	assert.Contains(t, text, "WHAT ENDS IT")
	t.Log("$ cogflow explain " + want.asks + "\n" + text)
}

func situations(drain func()) []situation {
	all := []situation{
		{
			name: "gpu_wait", kind: "TrainSFT", cause: explain.NoWorker,
			in: script{
				GPU: []string{"H100", "A100-80GB"}, Progress: map[string]any{"waiting": "a worker of queue train-h100"},
				Steps: []scripted{{Name: "RunTraining", Queue: "train-h100", Does: "runs", ToStart: 10 * time.Minute}},
			},
			says: []string{"pool train, GPU class h100", "a100-80gb is tried", "cogflow-worker --pools train --gpu h100", `"until"`},
		},
		{
			name: "last class", kind: "TrainSFT", cause: explain.NoWorker, in: script{Steps: []scripted{{Name: "RunTraining", Queue: "train-b200", Does: "runs"}}},
			says: []string{"last GPU class of the job"},
		},
		{
			name: "slots", kind: "TrainSFT", cause: explain.SlotsFull, in: script{Steps: []scripted{{Name: "RunTraining", Queue: "train-a10g", Does: "runs"}}},
			says: []string{"The only slot", "by holds the slot", "cogflow explain 'holds the slot'"},
		},
		{name: "GPU", kind: "TrainSFT", cause: explain.GPULease, in: script{Steps: []scripted{{Name: "RunTraining", Queue: "train-t4", Does: "needs a GPU"}}}, says: []string{"Other work on its host: uses the GPU."}},
		{name: "rate", cause: explain.RateLimit, in: described("describe-cpu", "limits the rate"), says: []string{"429 too many requests", "3 calls wait"}},
		{name: "down", cause: explain.EndpointDown, in: described("describe-cpu", "is down"), says: []string{"connection refused"}},
		{name: "price", cause: explain.UnknownPrice, in: described("describe-cpu", "has no price"), says: []string{"cogflow tune price --budget 0"}},
		{name: "reserved", cause: explain.Reserved, in: described("describe-cpu", "reserves all")},
		{name: "few", cause: explain.LowConcurrency, in: described("describe-cpu", "takes few calls"), says: []string{"2 calls wait for their turn"}},
		{name: "stored", cause: explain.StoreFailing, in: described("describe-cpu", "is not stored"), says: []string{"disk full"}},
		{
			name: "same", cause: explain.SameCall,
			in: script{Steps: []scripted{{Name: "DescribeChunk", Queue: "describe-cpu", Does: "is asked elsewhere"}, {Name: "DescribeChunk", Queue: "describe-cpu", Does: "is asked elsewhere too"}}},
		},
		{name: "failing", cause: explain.Failing, in: described("describe-cpu", "fails"), says: []string{"attempt 1 failed", "connection reset", `"until"`}},
		{name: "disk", cause: explain.Capacity, in: described("describe-cpu", "disk full")},
		{name: "build", cause: explain.OtherBuild, in: described("describe-cpu", "another build"), says: []string{"ffmpeg 7"}},
		{name: "budget", cause: explain.Budget, in: script{BudgetUSD: 2, Progress: map[string]any{"waiting": "budget", "cost_usd": 1.99}}, says: []string{"$1.99 is paid", "--budget 4.00"}},
		{name: "index", cause: explain.IndexFull, in: script{Progress: map[string]any{"waiting": "room in the index: feed is blocked"}}, says: []string{"feed is blocked"}},
		{name: "paused", cause: explain.Paused, in: script{Progress: map[string]any{"paused": true}}, says: []string{"cogflow resume paused"}},
		{name: "approval", kind: "OptimizePrompts", cause: explain.Approval, in: script{Progress: map[string]any{"waiting": "approval"}}, says: []string{"cogflow approve approval --no"}},
		{name: "panics", cause: explain.WorkflowTaskFailing, in: script{Ends: "panic"}, says: []string{"a mistake in the code"}},
		{name: "wrong queue", cause: explain.WrongQueue, start: client.StartWorkflowOptions{TaskQueue: "cogfolw"}},
		{name: "wrong type", kind: "IngestLibary", cause: explain.UnknownType},
		{name: "later", cause: explain.StartsLater, start: client.StartWorkflowOptions{StartDelay: time.Hour}},
		{
			name: "runs", cause: explain.Running, says: []string{"a.mp4"},
			in: script{Progress: map[string]any{"uri": "/videos/a.mp4", "name": "a.mp4", "stage": "describe"}, Steps: described("describe-cpu", "runs").Steps},
		},
		{name: "done", cause: explain.Completed, in: script{Ends: "done"}, says: []string{"cogflow report done"}},
		{name: "failed", cause: explain.Failed, in: script{Ends: "fail"}, says: []string{"line 3 is not JSON", "cogflow redrive failed"}},
		{name: "terminated", cause: explain.Terminated, then: func(t *testing.T, s *scene) {
			t.Helper()
			require.NoError(t, s.Client.TerminateWorkflow(t.Context(), "terminated", "", "test"))
		}},
		{name: "cancelled", cause: explain.Cancelled, then: func(t *testing.T, s *scene) {
			t.Helper()
			require.NoError(t, s.Client.CancelWorkflow(t.Context(), "cancelled", ""))
		}},
		{name: "unknown", kind: "none", cause: explain.UnknownID},
		{
			name: "library", kind: "IngestLibrary", cause: explain.NoWorker, says: []string{"3 of 4 active runs wait", `"runs": 3`, "library/2"},
			in: script{Children: map[string]script{
				"library/0": described("describe-l4", "runs"), "library/1": described("describe-l4", "runs"), "library/2": described("describe-l4", "runs"),
				"library/3": described("describe-cpu", "runs"),
			}},
		},
		{
			name: "mostly fine", kind: "IngestLibrary", cause: explain.Running, says: []string{"1 of 3 active runs waits"},
			in: script{Children: map[string]script{
				"fine/0": described("describe-l4", "runs"), "fine/1": described("describe-cpu", "runs"), "fine/2": described("describe-cpu", "runs"),
			}},
		},
	}
	return append(all, provoked(drain)...)
}

// provoked are situations that more than one run takes.
func provoked(drain func()) []situation {
	return []situation{
		{name: "claims", cause: explain.Claimed, in: described("describe-cpu", "claims"), says: []string{"Another workflow does the same work: library/7.", "cogflow explain library/7"}},
		{name: "step paused", cause: explain.ActivityPaused, in: described("describe-l40s", "runs"), then: func(t *testing.T, s *scene) {
			t.Helper()
			require.Eventually(t, func() bool {
				_, err := s.Client.WorkflowService().PauseActivity(t.Context(), &workflowservice.PauseActivityRequest{
					Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: "step paused"}, Identity: "operator", Reason: "a test",
					Activity: &workflowservice.PauseActivityRequest_Type{Type: "DescribeChunk"},
				})
				return err == nil
			}, time.Minute, 100*time.Millisecond)
		}},
		{name: "drains", cause: explain.Draining, in: described("embed-cpu", "runs"), then: func(t *testing.T, s *scene) {
			t.Helper()
			s.runs(t, "drains")
			go drain()
		}},
		{name: "lost", cause: explain.WorkerLost, in: script{Steps: []scripted{{Name: "Hang", Queue: "transcribe-cpu", Does: "hangs", Beat: 2 * time.Second}}}, then: func(t *testing.T, s *scene) {
			t.Helper()
			s.serveDead(t, "transcribe-cpu")
		}},
		{name: "overlap", kind: "none", cause: explain.ScheduleOverlap, says: []string{"1 run skipped", "cogflow explain scheduled-"}, then: func(t *testing.T, s *scene) {
			t.Helper()
			s.schedule(t, "overlap", false)
		}},
		{name: "paused schedule", kind: "none", cause: explain.SchedulePaused, says: []string{"maintenance"}, then: func(t *testing.T, s *scene) {
			t.Helper()
			s.schedule(t, "paused schedule", true)
		}},
		{name: "not started", kind: "none", cause: explain.ScheduleIdle, asks: "schedule/default/nightly-2026-01-02T03:04:05Z", says: []string{"nightly waits for its next run"}, then: func(t *testing.T, s *scene) {
			t.Helper()
			_, err := s.Client.ScheduleClient().Create(t.Context(), client.ScheduleOptions{ID: "nightly", Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 24 * time.Hour}}}, Action: action()})
			require.NoError(t, err)
		}},
	}
}

func action() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{ID: "scheduled", Workflow: "IngestVideo", TaskQueue: "cogflow", Args: []any{script{}}}
}

// schedule makes a schedule whose second run is skipped, or one that is paused.
func (s *scene) schedule(t *testing.T, id string, paused bool) {
	t.Helper()
	h, err := s.Client.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID: id, Paused: paused, Note: "maintenance", Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, Action: action(),
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 24 * time.Hour}}},
	})
	require.NoError(t, err)
	if paused {
		return
	}
	require.NoError(t, h.Trigger(t.Context(), client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP}))
	require.Eventually(t, func() bool {
		d, err := h.Describe(t.Context())
		return err == nil && len(d.Info.RunningWorkflows) == 1
	}, time.Minute, 100*time.Millisecond)
	require.NoError(t, h.Trigger(t.Context(), client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP}))
}

// runs waits until a worker runs the step of a job.
func (s *scene) runs(t *testing.T, id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		d, err := s.Client.DescribeWorkflow(t.Context(), id, "")
		return err == nil && len(d.RawResponse.GetPendingActivities()) == 1 &&
			d.RawResponse.GetPendingActivities()[0].GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED
	}, time.Minute, 100*time.Millisecond)
}

// serveDead starts a worker that takes steps and never sends heartbeats.
func (s *scene) serveDead(t *testing.T, queue string) {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: s.Address(), Identity: "666@dead@"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := worker.New(c, queue, worker.Options{DisableWorkflowWorker: true})
	registerHang(w, s)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

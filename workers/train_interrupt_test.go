package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/train"
)

// plan is the behaviour of a scripted trainer; see testdata/scripted.
type plan struct {
	Steps       int     `json:"steps"`
	StepSeconds float64 `json:"step_seconds"`
	SaveEvery   int     `json:"save_every"`
	HoldAt      int     `json:"hold_at"` // the step at which it waits for SIGTERM; 0 = at none
	Evaluate    string  `json:"evaluate"`
	SIGTERM     string  `json:"sigterm"`
}

// scripted is a stack whose trainers follow a plan, on a GPU class with a price.
type scripted struct {
	*stack
	trainerLog
	dir string
}

func newScripted(t *testing.T) scripted {
	t.Helper()
	s, _ := newTrainStack(t)
	dir := filepath.Join(s.dir, "scripted")
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "scripted"))))
	python, err := exec.LookPath("python3")
	require.NoError(t, err)
	s.env = append(s.env, "COGFLOW_TRAINING_TRAINER_DIR="+dir)
	return scripted{s, s.recordTrainers(python), dir}
}

func (s scripted) plan(p plan) {
	s.stack.t.Helper()
	text, err := json.Marshal(p)
	require.NoError(s.stack.t, err)
	draft := filepath.Join(s.dir, "draft")
	require.NoError(s.stack.t, os.WriteFile(draft, text, 0o600))
	require.NoError(s.stack.t, os.Rename(draft, filepath.Join(s.dir, "plan.json")))
}

// smooth is a plan without failures that trains for 8 seconds.
func smooth() plan {
	return plan{Steps: 40, StepSeconds: 0.2, SaveEvery: 5, Evaluate: "ok", SIGTERM: "checkpoint"}
}

func (s scripted) signal(name string) {
	s.stack.t.Helper()
	require.NoError(s.stack.t, s.client.SignalWorkflow(s.stack.t.Context(), "support", "", name, nil))
}

func (s scripted) budget(usd float64) {
	s.stack.t.Helper()
	_, err := s.client.UpdateWorkflow(s.stack.t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: "support", UpdateName: workflows.UpdateBudget, Args: []any{usd}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(s.stack.t, err)
}

// says waits until the progress of the run satisfies a condition.
func (s scripted) says(what func(p train.Progress) bool) (p train.Progress) {
	t := s.stack.t
	t.Helper()
	limit, failed := time.Now().Add(soon), error(nil)
	for !what(p) {
		require.True(t, time.Now().Before(limit), "the progress is %+v, %v", p, failed)
		<-time.After(100 * time.Millisecond)
		var value converter.EncodedValue
		if value, failed = s.client.QueryWorkflow(t.Context(), "support", "", workflows.QueryProgress); failed != nil {
			continue // a worker that was just started answers late
		}
		p = train.Progress{}
		require.NoError(t, value.Get(&p))
		d, err := s.client.DescribeWorkflow(t.Context(), "support", "")
		require.NoError(t, err)
		if d.WorkflowCloseTime != nil {
			s.logLastEvent("support")
			require.Fail(t, "the run has ended", "%s", d.Status)
		}
	}
	return p
}

func paused(p train.Progress) bool {
	return p.Paused && strings.Contains(p.Waiting, "resume")
}

// TestTrainInterrupted: a run pauses or ends on request, whatever happens to its trainer and
// its worker meanwhile, and all of its time is booked.
func TestTrainInterrupted(t *testing.T) {
	t.Parallel()
	// start starts a run and waits for step 7, after the checkpoint of step 5. sigterm is the
	// reaction of the trainer to SIGTERM, for which it waits at step 20: what the test does
	// may take long.
	start := func(t *testing.T, sigterm string, change ...func(in *train.Input)) (scripted, *workerProcess, client.WorkflowRun) {
		t.Helper()
		s := newScripted(t)
		p := smooth()
		p.SIGTERM, p.HoldAt = sigterm, 20
		s.plan(p)
		w := s.worker(nil)
		in := complexJob(writeDataset(t, s.stack.dir))
		for _, c := range change {
			c(&in)
		}
		run := s.startTraining(in)
		s.until(atStep(7))
		return s, w, run
	}
	// again starts another worker, whose trainers end normally.
	again := func(s scripted) {
		s.plan(smooth())
		s.worker(nil)
	}

	t.Run("pause, and the checkpoint takes longer than a heartbeat", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "slow")
		s.signal(workflows.SignalPause)
		p := s.says(paused)
		require.GreaterOrEqual(t, p.Checkpoint, 7, "the checkpoint was awaited")
		s.plan(smooth())
		s.signal(workflows.SignalResume)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "trained", out.Status)
		require.Zero(t, out.Redone)
		w.drain()
		s.bookedAs(s.trainerLog, run, out, 0)
	})
	t.Run("pause, and the worker is killed", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "hang")
		s.signal(workflows.SignalPause)
		s.until(terminating)
		w.kill()
		again(s)
		s.says(paused)
		s.signal(workflows.SignalResume)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "trained", out.Status)
		require.Equal(t, 40, out.Steps)
		require.LessOrEqual(t, out.Redone, s.lost(), "at most the steps of the last heartbeat")
		s.bookedAs(s.trainerLog, run, out, 1)
	})
	t.Run("pause, and the trainer ends with an unexpected exit code", func(t *testing.T) {
		t.Parallel()
		s, _, run := start(t, "exit")
		s.signal(workflows.SignalPause)
		s.says(paused)
		s.plan(smooth())
		s.signal(workflows.SignalResume)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "trained", out.Status)
		require.Equal(t, s.lost(), out.Redone, "the steps since the checkpoint")
		s.bookedAs(s.trainerLog, run, out, 0)
	})
	t.Run("stop, and the worker is killed", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "hang")
		s.signal(workflows.SignalStop)
		s.until(terminating)
		w.kill()
		again(s)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "stopped", out.Status)
		require.Zero(t, out.Steps%5, "the step of the last checkpoint")
		require.NotNil(t, out.Comparison, "it was evaluated")
		require.Empty(t, out.Warning)
		s.bookedAs(s.trainerLog, run, out, 1)
	})
	t.Run("stop, and it cannot be evaluated", func(t *testing.T) {
		t.Parallel()
		s, _, run := start(t, "exit")
		p := smooth()
		p.SIGTERM, p.Evaluate = "exit", "exit"
		s.plan(p)
		s.signal(workflows.SignalStop)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "stopped", out.Status)
		require.Equal(t, 1, out.Version)
		require.Zero(t, out.Steps%5)
		require.Contains(t, out.Warning, "exit code 9")
		s.bookedAs(s.trainerLog, run, out, 0)
	})
	t.Run("stop in an evaluation that hangs, twice", func(t *testing.T) {
		t.Parallel()
		s := newScripted(t)
		p := smooth()
		p.Steps, p.Evaluate = 10, "hang"
		s.plan(p)
		s.worker(nil)
		run := s.startTraining(complexJob(writeDataset(t, s.stack.dir)))
		evaluating := func(e training.Event) bool { return e.Phase == "evaluate" }
		s.until(evaluating)
		s.signal(workflows.SignalStop)
		require.Eventually(t, func() bool { return len(s.processes()) == 2 }, soon, 20*time.Millisecond)
		s.until(evaluating)
		s.signal(workflows.SignalStop)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "stopped", out.Status)
		require.Equal(t, 10, out.Steps)
		require.Contains(t, out.Warning, "stop again")
		s.bookedAs(s.trainerLog, run, out, 0)
	})
	t.Run("timeout, and the worker is killed", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "hang", func(in *train.Input) { in.Timeout = "30s" })
		s.until(terminating)
		w.kill()
		again(s)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "stopped", out.Status)
		require.NotZero(t, out.Version)
		s.bookedAs(s.trainerLog, run, out, 1)
	})
	t.Run("budget lowered below what is spent, and the worker is killed", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "hang", func(in *train.Input) { in.BudgetUSD = 20 })
		s.budget(0.0001)
		s.until(terminating)
		w.kill()
		again(s)
		s.says(func(p train.Progress) bool { return p.Waiting == "budget" })
		s.budget(20)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "trained", out.Status)
		s.bookedAs(s.trainerLog, run, out, 1)
	})
	t.Run("cancel while the worker drains", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "slow")
		drained := make(chan struct{})
		go func() { w.drain(); close(drained) }()
		s.until(terminating)
		s.worker([]string{"--pools", "cogflow,media"})
		require.NoError(t, s.client.CancelWorkflow(t.Context(), "support", ""))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var cancelled *temporal.CanceledError
		require.ErrorAs(t, run.Get(ctx, nil), &cancelled)
		<-drained
		require.NotEmpty(t, s.matchingFiles("store/default/adapters/support/1/manifest.json"), "the best so far is kept")
		require.Empty(t, s.matchingFiles("store/default/training/*/claim.json"))
		s.bookedAs(s.trainerLog, run, train.Result{}, 0)
	})
	t.Run("the worker drains", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "checkpoint")
		w.drain()
		again(s)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "trained", out.Status)
		require.Zero(t, out.Redone)
		s.bookedAs(s.trainerLog, run, out, 0)
	})
	t.Run("the worker is killed and the run paused before another takes it", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "checkpoint")
		s.says(func(p train.Progress) bool { return p.Step > 0 })
		w.kill()
		// No worker serves the pool train, so the attempt is cancelled while it waits for one.
		other := s.worker([]string{"--pools", "cogflow,media"})
		s.waiting()
		s.signal(workflows.SignalPause)
		s.says(paused)
		other.drain()
		again(s)
		s.signal(workflows.SignalResume)
		out := await[train.Result](s.stack, run, soon)
		require.Equal(t, "trained", out.Status)
		s.bookedAs(s.trainerLog, run, out, 1)
	})
}

// waiting waits until the server has timed out the training attempt.
func (s scripted) waiting() {
	t := s.stack.t
	t.Helper()
	require.Eventually(t, func() bool {
		d, err := s.client.DescribeWorkflow(t.Context(), "support", "")
		if err != nil {
			return false
		}
		for _, a := range d.RawResponse.PendingActivities {
			if a.ActivityType.GetName() == "RunTraining" && a.Attempt > 1 {
				return true
			}
		}
		return false
	}, soon, 100*time.Millisecond)
}

// TestTrainStoppedEarly: a run that is stopped before it has a result ends normally and
// publishes nothing.
func TestTrainStoppedEarly(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	s.worker([]string{"--pools", "cogflow,media"}) // without the pool train
	in := complexJob(writeDataset(t, s.stack.dir))
	run := s.startTraining(in)
	s.says(func(p train.Progress) bool { return strings.Contains(p.Waiting, "train-cpu") })
	require.Equal(t, "no_worker", s.explained(run.GetID()))
	s.signal(workflows.SignalPause)
	s.says(paused)
	require.Equal(t, "paused", s.explained(run.GetID()))
	s.signal(workflows.SignalResume)
	s.says(func(p train.Progress) bool { return strings.Contains(p.Waiting, "train-cpu") })
	s.signal(workflows.SignalPause)
	s.signal(workflows.SignalStop)
	out := await[train.Result](s.stack, run, soon)
	require.Equal(t, "stopped", out.Status)
	require.Zero(t, out.Version)
	require.NotEmpty(t, out.Warning)
	require.Zero(t, out.CostUSD)
	require.Empty(t, s.matchingFiles("store/default/training/*/claim.json"))
}

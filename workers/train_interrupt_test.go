package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/train"
)

// gpuPrice is what an hour of class cpu costs in the tests that count it, in USD.
const gpuPrice = 36

// priced is what makes a worker's class cost that.
var priced = fmt.Sprintf(`COGFLOW_TRAINING_PRICES={"cpu":%d}`, gpuPrice)

// clock is the file that every line of every trainer process is copied to, after
// the id of the process.
type clock struct {
	t    testing.TB
	path string
}

// clocked makes the workers that start from now on run their trainers below a tee,
// and count the time of their class as money.
func (s *stack) clocked(python string) clock {
	s.t.Helper()
	python, err := filepath.Abs(python)
	require.NoError(s.t, err)
	c := clock{s.t, filepath.Join(s.dir, "clock")}
	script := filepath.Join(s.dir, "clocked-python")
	text := fmt.Sprintf(`#!/bin/bash
test "$2" = trainer || exec %[1]q "$@"
exec %[1]q "$@" 3> >(exec tee >(exec sed -u "s/^/$$ /" >> %[2]q) >&3)
`, python, c.path)
	require.NoError(s.t, os.WriteFile(script, []byte(text), 0o755))                             //nolint:gosec // it is run by a worker
	s.env = append(s.env, "COGFLOW_TRAINING_PYTHON="+script, "COGFLOW_NO_SANDBOX=true", priced) // it writes outside of the job's folder
	return c
}

// events are those of all processes, in order, by the id of the process.
func (c clock) events() (all map[string][]training.Event, last []string) {
	c.t.Helper()
	all = map[string][]training.Event{}
	file, err := os.Open(c.path)
	if os.IsNotExist(err) {
		return all, nil
	}
	require.NoError(c.t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		pid, line, _ := strings.Cut(lines.Text(), " ")
		var e training.Event
		if json.Unmarshal([]byte(line), &e) != nil {
			continue // cut by a kill
		}
		if len(all[pid]) == 0 {
			last = append(last, pid)
		}
		all[pid] = append(all[pid], e)
	}
	return all, last
}

// seconds is how long the processes ran by their own clocks, and how many there were.
func (c clock) seconds() (sum float64, processes int) {
	c.t.Helper()
	all, _ := c.events()
	for events := range maps.Values(all) {
		sum += events[len(events)-1].Elapsed
	}
	return sum, len(all)
}

// until waits for an event of the newest process.
func (c clock) until(is func(e training.Event) bool) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		all, order := c.events()
		if len(order) == 0 {
			return false
		}
		return slices.ContainsFunc(all[order[len(order)-1]], is)
	}, time.Minute, 20*time.Millisecond)
}

// steps is how many were really done, whoever knows of them.
func (c clock) steps() (n int) {
	c.t.Helper()
	all, _ := c.events()
	for events := range maps.Values(all) {
		for _, e := range events {
			if e.Event == training.EventStep {
				n++
			}
		}
	}
	return n
}

// lost is how many steps of the first process came after its last checkpoint.
func (c clock) lost() (steps int) {
	c.t.Helper()
	all, order := c.events()
	for _, e := range all[order[0]] {
		switch e.Event {
		case training.EventStep:
			steps++
		case training.EventCheckpoint:
			steps = 0
		}
	}
	return steps
}

func atStep(n int) func(training.Event) bool {
	return func(e training.Event) bool { return e.Event == training.EventStep && e.Step >= n }
}

func terminating(e training.Event) bool { return e.Phase == "save" }

// heartbeat is the longest time between the last heartbeat that the server has of
// a worker and the worker's death: an activity reports each second, and the SDK
// passes one on in two.
const heartbeat = 3.0

// bookedAs compares the ledger with the trainers' own clocks: seconds, and dead are
// the workers that were killed while they trained.
func (s *stack) bookedAs(c clock, run client.WorkflowRun, out train.Result, dead int) {
	s.t.Helper()
	l, err := ledger.Open(filepath.Join(s.dir, "ledger.db"))
	require.NoError(s.t, err)
	defer l.Close()
	spend, err := l.Job(s.t.Context(), tenant.Default, run.GetRunID())
	require.NoError(s.t, err)
	require.Zero(s.t, spend.Reserved, "nothing is left open")
	own, processes := c.seconds()
	booked := float64(spend.CostMicroUSD) / 1e6 / gpuPrice * 3600
	// A process is paid for from its start to its end: a little longer than from the
	// first line of its program to the last.
	s.t.Logf("%d processes ran %.2f s by their own clocks, the ledger says %.2f s, the result %.2f s", processes, own, booked, out.Seconds)
	require.InDelta(s.t, own, booked, heartbeat*float64(max(1, dead)))
	if out.Job != "" {
		require.InDelta(s.t, own, out.Seconds, heartbeat*float64(max(1, dead)))
		require.InDelta(s.t, booked, out.Seconds, 0.1+heartbeat*float64(dead))
		require.InDelta(s.t, float64(spend.CostMicroUSD)/1e6, out.CostUSD, 1e-9, "the ledger is the source of the cost")
	}
}

// plan is what a scripted trainer does; see testdata/scripted.
type plan struct {
	Steps       int     `json:"steps"`
	StepSeconds float64 `json:"step_seconds"`
	SaveEvery   int     `json:"save_every"`
	Evaluate    string  `json:"evaluate"`
	SIGTERM     string  `json:"sigterm"`
}

// scripted is a stack whose trainers follow a script, on a class with a price.
type scripted struct {
	*stack
	clock
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
	return scripted{s, s.clocked(python), dir}
}

func (s scripted) plan(p plan) {
	s.stack.t.Helper()
	text, err := json.Marshal(p)
	require.NoError(s.stack.t, err)
	draft := filepath.Join(s.dir, "draft")
	require.NoError(s.stack.t, os.WriteFile(draft, text, 0o600))
	require.NoError(s.stack.t, os.Rename(draft, filepath.Join(s.dir, "plan.json")))
}

// smooth is a plan of 8 seconds.
func smooth() plan {
	return plan{Steps: 40, StepSeconds: 0.2, SaveEvery: 5, Evaluate: "ok", SIGTERM: "checkpoint"}
}

func (s scripted) signal(name string) {
	s.stack.t.Helper()
	require.NoError(s.stack.t, s.client.SignalWorkflow(s.stack.t.Context(), "lamps", "", name, nil))
}

func (s scripted) budget(usd float64) {
	s.stack.t.Helper()
	_, err := s.client.UpdateWorkflow(s.stack.t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: "lamps", UpdateName: workflows.UpdateBudget, Args: []any{usd}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(s.stack.t, err)
}

// says waits for what the run says of itself.
func (s scripted) says(what func(p train.Progress) bool) (p train.Progress) {
	t := s.stack.t
	t.Helper()
	limit := time.Now().Add(time.Minute)
	for !what(p) {
		require.True(t, time.Now().Before(limit), "it says %+v", p)
		<-time.After(100 * time.Millisecond)
		value, err := s.client.QueryWorkflow(t.Context(), "lamps", "", workflows.QueryProgress)
		require.NoError(t, err)
		p = train.Progress{}
		require.NoError(t, value.Get(&p))
		d, err := s.client.DescribeWorkflow(t.Context(), "lamps", "")
		require.NoError(t, err)
		if d.WorkflowCloseTime != nil {
			s.tellEnd("lamps")
			require.Fail(t, "the run has ended", "%s", d.Status)
		}
	}
	return p
}

func paused(p train.Progress) bool {
	return p.Paused && strings.Contains(p.Waiting, "resume")
}

// TestTrainInterrupted: a run that is asked to pause or to end does so, whatever
// becomes of its trainer and its worker meanwhile, and all of its time is booked.
func TestTrainInterrupted(t *testing.T) {
	t.Parallel()
	// start has a trainer that does not end by itself at step 7, after the
	// checkpoint of step 5.
	start := func(t *testing.T, sigterm string, change ...func(in *train.Input)) (scripted, *workerProcess, client.WorkflowRun) {
		t.Helper()
		s := newScripted(t)
		p := smooth()
		p.SIGTERM = sigterm
		s.plan(p)
		w := s.worker(nil)
		in := drilled(lesson(t, s.stack.dir))
		for _, c := range change {
			c(&in)
		}
		run := s.startTraining(in)
		s.until(atStep(7))
		return s, w, run
	}
	// again has the next trainers end well, below a new worker.
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
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "trained", out.Status)
		require.Zero(t, out.Redone)
		w.drain()
		s.bookedAs(s.clock, run, out, 0)
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
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "trained", out.Status)
		require.Equal(t, 40, out.Steps)
		require.LessOrEqual(t, out.Redone, s.lost(), "as far as the last heartbeat knew")
		s.bookedAs(s.clock, run, out, 1)
	})
	t.Run("pause, and the trainer ends with an odd code", func(t *testing.T) {
		t.Parallel()
		s, _, run := start(t, "exit")
		s.signal(workflows.SignalPause)
		s.says(paused)
		s.plan(smooth())
		s.signal(workflows.SignalResume)
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "trained", out.Status)
		require.Equal(t, s.lost(), out.Redone, "the steps since the checkpoint")
		s.bookedAs(s.clock, run, out, 0)
	})
	t.Run("stop, and the worker is killed", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "hang")
		s.signal(workflows.SignalStop)
		s.until(terminating)
		w.kill()
		again(s)
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "stopped", out.Status)
		require.Zero(t, out.Steps%5, "the best of the last checkpoint")
		require.NotNil(t, out.Comparison, "it was evaluated")
		require.Empty(t, out.Warning)
		s.bookedAs(s.clock, run, out, 1)
	})
	t.Run("stop, and it cannot be evaluated", func(t *testing.T) {
		t.Parallel()
		s, _, run := start(t, "exit")
		p := smooth()
		p.SIGTERM, p.Evaluate = "exit", "exit"
		s.plan(p)
		s.signal(workflows.SignalStop)
		out := await[train.Result](s.stack, run, 2*time.Minute)
		require.Equal(t, "stopped", out.Status)
		require.Equal(t, 1, out.Version)
		require.Zero(t, out.Steps%5)
		require.Contains(t, out.Warning, "exit code 9")
		s.bookedAs(s.clock, run, out, 0)
	})
	t.Run("stop in an evaluation that hangs, twice", func(t *testing.T) {
		t.Parallel()
		s := newScripted(t)
		p := smooth()
		p.Steps, p.Evaluate = 10, "hang"
		s.plan(p)
		s.worker(nil)
		run := s.startTraining(drilled(lesson(t, s.stack.dir)))
		evaluating := func(e training.Event) bool { return e.Phase == "evaluate" }
		s.until(evaluating)
		s.signal(workflows.SignalStop)
		require.Eventually(t, func() bool { _, order := s.events(); return len(order) == 2 }, time.Minute, 20*time.Millisecond)
		s.until(evaluating)
		s.signal(workflows.SignalStop)
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "stopped", out.Status)
		require.Equal(t, 10, out.Steps)
		require.Contains(t, out.Warning, "stop again")
		s.bookedAs(s.clock, run, out, 0)
	})
	t.Run("timeout, and the worker is killed", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "hang", func(in *train.Input) { in.Timeout = "6s" })
		s.until(terminating)
		w.kill()
		again(s)
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "stopped", out.Status)
		require.NotZero(t, out.Version)
		s.bookedAs(s.clock, run, out, 1)
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
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "trained", out.Status)
		s.bookedAs(s.clock, run, out, 1)
	})
	t.Run("cancel while the worker drains", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "slow")
		drained := make(chan struct{})
		go func() { w.drain(); close(drained) }()
		s.until(terminating)
		s.worker([]string{"--pools", "cogflow,media"})
		require.NoError(t, s.client.CancelWorkflow(t.Context(), "lamps", ""))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var cancelled *temporal.CanceledError
		require.ErrorAs(t, run.Get(ctx, nil), &cancelled)
		<-drained
		require.NotEmpty(t, s.sightNow("store/default/adapters/lamps/1/manifest.json"), "the best so far is kept")
		require.Empty(t, s.sightNow("store/default/training/*/claim.json"))
		s.bookedAs(s.clock, run, train.Result{}, 0)
	})
	t.Run("the worker drains", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "checkpoint")
		w.drain()
		again(s)
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "trained", out.Status)
		require.Zero(t, out.Redone)
		s.bookedAs(s.clock, run, out, 0)
	})
	t.Run("the worker is killed and the run paused before another takes it", func(t *testing.T) {
		t.Parallel()
		s, w, run := start(t, "checkpoint")
		s.says(func(p train.Progress) bool { return p.Step > 0 })
		w.kill()
		// Without a pool train: the attempt is to wait for a worker when it is cancelled.
		other := s.worker([]string{"--pools", "cogflow,media"})
		s.waiting()
		s.signal(workflows.SignalPause)
		s.says(paused)
		other.drain()
		again(s)
		s.signal(workflows.SignalResume)
		out := await[train.Result](s.stack, run, time.Minute)
		require.Equal(t, "trained", out.Status)
		s.bookedAs(s.clock, run, out, 1)
	})
}

// waiting waits until the server has given up the attempt that trains.
func (s scripted) waiting() {
	t := s.stack.t
	t.Helper()
	require.Eventually(t, func() bool {
		d, err := s.client.DescribeWorkflow(t.Context(), "lamps", "")
		if err != nil {
			return false
		}
		for _, a := range d.RawResponse.PendingActivities {
			if a.ActivityType.GetName() == "RunTraining" && a.Attempt > 1 {
				return true
			}
		}
		return false
	}, time.Minute, 100*time.Millisecond)
}

// TestTrainStoppedEarly: what is stopped before it has anything to publish ends
// well, with nothing published.
func TestTrainStoppedEarly(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	s.worker([]string{"--pools", "cogflow,media"}) // nothing trains
	in := drilled(lesson(t, s.stack.dir))
	run := s.startTraining(in)
	s.says(func(p train.Progress) bool { return strings.Contains(p.Waiting, "train-cpu") })
	s.signal(workflows.SignalPause)
	s.says(paused)
	s.signal(workflows.SignalResume)
	s.says(func(p train.Progress) bool { return strings.Contains(p.Waiting, "train-cpu") })
	s.signal(workflows.SignalPause)
	s.signal(workflows.SignalStop)
	out := await[train.Result](s.stack, run, time.Minute)
	require.Equal(t, "stopped", out.Status)
	require.Zero(t, out.Version)
	require.NotEmpty(t, out.Warning)
	require.Zero(t, out.CostUSD)
	require.Empty(t, s.sightNow("store/default/training/*/claim.json"))
}

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
	"github.com/cogniverse/cogflow/workflows/optimize"
	"github.com/cogniverse/cogflow/workflows/train"
)

// goesOnWithin is how long after the end of a drained worker another one continues its work,
// by the times that the server recorded.
const goesOnWithin = 15 * time.Second

// TestDrainHosts drains a worker that describes frames, trains and asks language models at the
// same time, all of which is paid for. Another worker takes over: nothing is lost or paid for twice.
func TestDrainHosts(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	s.env = append(s.env, "COGFLOW_DRAIN_CALLS_SECONDS=300") // until the test releases the calls in flight
	a := accountFor(s.stack, 10*time.Minute, talkingVideos(t, 1, 12))
	var holding atomic.Bool
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	a.endpoint.Latency = func() time.Duration {
		if holding.Load() {
			<-released
		}
		return 0
	}
	p := smooth()
	p.StepSeconds = 0.5 // at step 7, it goes on for 16 seconds
	s.plan(p)

	first := s.worker(nil)
	s.poll(func() bool { return s.logged(`"msg":"ready"`) })
	holding.Store(true)
	library := a.begin("IngestLibrary", ingest.LibraryInput{Source: a.dir, Profile: "captions"})
	quiz := a.begin("OptimizePrompts", optimize.Input{
		Program:  json.RawMessage(`{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`),
		Trainset: topics(30, 0), Mode: "compat",
		Settings: mipro.Settings{Auto: "none", NumCandidates: 2, NumTrials: 2, MinibatchSize: 4, MinibatchFullEvalSteps: 2},
	})
	s.poll(func() bool { return a.asked("bill/vlm") > 0 && a.asked("bill/teacher", "bill/student") > 0 })
	training := s.startTraining(complexJob(writeDataset(t, s.stack.dir)))
	s.until(atStep(7))

	require.NoError(t, first.cmd.Process.Signal(syscall.SIGTERM))
	s.until(terminating)
	s.poll(func() bool { return s.logged("draining") })
	p.StepSeconds = 0.01
	s.plan(p)
	second := s.worker(nil)
	for _, queue := range []string{workflows.QueueMain, "media", "index", "lm", "describe-cpu", "embed-cpu", "transcribe-cpu", "train-cpu"} {
		s.awaitPollers(queue, 2)
	}
	began := a.endpoint.Count()
	release()
	first.drain()
	ended := time.Now()
	require.True(t, first.cmd.ProcessState.Success(), first.cmd.ProcessState)

	library.finish()
	quiz.finish()
	trained := await[train.Result](s.stack, training, soon)
	require.Equal(t, "trained", trained.Status)
	require.Equal(t, 40, trained.Steps)
	require.Zero(t, trained.Redone, "no step is lost")
	require.Zero(t, library.Repeated)
	require.Zero(t, quiz.Repeated)
	require.Greater(t, a.endpoint.Count(), began, "calls are left for the second worker")

	for _, c := range []struct{ id, activity string }{
		{library.tenant + "/000000", "DescribeChunk"}, {training.GetID(), "RunTraining"}, {quiz.tenant, ""},
	} {
		started := s.startedBy(second, c.id, c.activity)
		t.Logf("%s %s: the second worker continues %s after the end of the first", c.id, c.activity, started.Sub(ended).Round(time.Millisecond))
		require.Less(t, started.Sub(ended), goesOnWithin, "%s %s", c.id, c.activity)
	}
	second.drain()
	booked := a.booked("SELECT sum(cost) FROM call WHERE kind='train' AND ended_ms IS NOT NULL")
	require.InDelta(t, float64(booked)/1e6, trained.CostUSD, 1e-9, "the ledger is the source of the cost")
	own, processes := s.seconds()
	require.Equal(t, 2, processes)
	requireBooked(t, own, float64(booked)/1e6/gpuPrice*3600, 0)
	require.Zero(t, a.openEntries(), "no reservation is left open")
	require.Empty(t, a.entries("SELECT fingerprint FROM call WHERE outcome IN ('answered', 'charged') GROUP BY tenant, job, fingerprint HAVING count(*) > 1"),
		"a call was paid for twice")
	require.NoError(t, s.server.Stop())
	a.compare()
	var billed int
	for _, r := range a.endpoint.Requests() {
		require.True(t, r.Exact, "%+v", r)
		billed += int(r.Billed)
	}
	require.Equal(t, billed, a.booked("SELECT sum(cost) FROM call WHERE kind <> 'train'"))
}

// begin starts a job without a limit.
func (a *accountant) begin(kind string, in any) *accountRun {
	a.t.Helper()
	r := &accountRun{a: a, tenant: fmt.Sprintf("run-%d", len(a.runs)), kind: kind, done: make(chan struct{})}
	switch in := in.(type) {
	case ingest.LibraryInput:
		in.Tenant = r.tenant
		r.execute(in)
	case optimize.Input:
		in.Tenant = r.tenant
		r.execute(in)
	}
	return r
}

// asked is the number of requests that arrived for some models.
func (a *accountant) asked(models ...string) (n int) {
	for _, r := range a.endpoint.Requests() {
		if slices.Contains(models, r.Model) {
			n++
		}
	}
	return n
}

// startedBy is when a worker started its first attempt of an activity of a run, as the server
// recorded it. An empty name means any activity.
func (s *stack) startedBy(w *workerProcess, id, activity string) time.Time {
	s.t.Helper()
	identity := fmt.Sprintf("%d@", w.cmd.Process.Pid)
	var first time.Time
	for _, run := range s.chain(id) {
		names := map[int64]string{}
		for _, e := range run {
			if scheduled := e.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
				names[e.GetEventId()] = scheduled.GetActivityType().GetName()
			}
			started := e.GetActivityTaskStartedEventAttributes()
			if started == nil || !strings.HasPrefix(started.GetIdentity(), identity) || activity != "" && names[started.GetScheduledEventId()] != activity {
				continue
			}
			if at := e.GetEventTime().AsTime(); first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	require.False(s.t, first.IsZero(), "the worker continued nothing of %s", id)
	return first
}

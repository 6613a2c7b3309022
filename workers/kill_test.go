package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/workflows"
)

const (
	killsPerRun = 10
	soakRuns    = 20
)

// TestKillWorkers kills worker processes at random moments of a library's
// ingest. COGFLOW_SOAK=1 does it many times.
func TestKillWorkers(t *testing.T) {
	t.Parallel()
	const videos, frames = 6, 32
	dir := small(t, videos, frames)
	want := undisturbed(t, dir)
	require.Len(t, want.visible, videos*frames)
	runs := 1
	if os.Getenv("COGFLOW_SOAK") != "" {
		runs = soakRuns
	}
	for range runs {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		k := &killer{stack: newSmallStack(t, nil), random: rand.New(rand.NewPCG(seed, 0))}
		k.workers = []*workerProcess{k.worker(nil), k.worker(nil)}
		job := k.begin("library", workflows.IngestLibraryInput{Source: dir})
		for _, calls := range k.moments(videos * frames) {
			k.await(calls, job)
			k.killWorker()
		}
		result := job.wait(t)
		k.drain()
		k.check(want, result)
	}
}

// outcome is what an ingest leaves behind.
type outcome struct{ visible, objects []string }

func (s *stack) outcome() outcome { return outcome{s.visible(), s.objects()} }

// undisturbed ingests a library with nothing going wrong.
func undisturbed(t *testing.T, dir string) outcome {
	t.Helper()
	s := newSmallStack(t, nil)
	w := s.worker(nil)
	result, err := execute[workflows.IngestLibraryResult](s, "library", "IngestLibrary", workflows.IngestLibraryInput{Source: dir})
	require.NoError(t, err)
	require.Empty(t, result.Failures)
	require.Zero(t, result.RepeatedCalls)
	w.drain()
	require.NoError(t, s.server.Stop())
	require.Empty(t, s.temporary())
	return s.outcome()
}

// killer is a stack under attack.
type killer struct {
	*stack
	random  *rand.Rand
	workers []*workerProcess
	kills   int // of workers
}

// job is a workflow that the test does not wait for yet.
type job struct {
	run  client.WorkflowRun
	done chan struct{}
	err  error
	out  workflows.IngestLibraryResult
}

// begin starts a library. Its result is awaited through deaths of the server.
func (s *stack) begin(id string, in workflows.IngestLibraryInput) *job {
	s.t.Helper()
	run, err := s.client.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain}, "IngestLibrary", in)
	require.NoError(s.t, err)
	j := &job{run: run, done: make(chan struct{})}
	go func() {
		defer close(j.done)
		for {
			j.err = run.Get(s.t.Context(), &j.out)
			var ended *temporal.WorkflowExecutionError
			if j.err == nil || errors.As(j.err, &ended) || s.t.Context().Err() != nil {
				return
			}
		}
	}()
	return j
}

func (j *job) wait(t *testing.T) workflows.IngestLibraryResult {
	t.Helper()
	select {
	case <-j.done:
	case <-time.After(5 * time.Minute):
		require.Fail(t, "the workflow does not end")
	}
	require.NoError(t, j.err)
	return j.out
}

// moments picks describe calls of the run at which something is killed.
func (k *killer) moments(calls int) []int {
	out := make([]int, killsPerRun)
	for i := range out {
		out[i] = k.random.IntN(calls)
	}
	slices.Sort(out)
	return out
}

// await waits for a number of describe calls and then a moment longer, so that
// the other stages are hit as well.
func (k *killer) await(calls int, j *job) {
	k.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for k.calls() < calls {
		select {
		case <-tick.C:
		case <-j.done:
			return
		}
	}
	<-time.After(time.Duration(k.random.Int64N(int64(500 * time.Millisecond))))
}

// killWorker kills one worker and starts another.
func (k *killer) killWorker() {
	k.t.Helper()
	victim := k.random.IntN(len(k.workers))
	k.workers[victim].kill()
	k.kills++
	survivors := slices.Delete(slices.Clone(k.workers), victim, victim+1)
	k.noOrphans(2*time.Second, survivors...)
	k.workers[victim] = k.worker(nil)
}

func (k *killer) drain() {
	k.t.Helper()
	for _, w := range k.workers {
		w.drain()
	}
	require.NoError(k.t, k.server.Stop())
}

// calls counts what the ledger has begun.
func (s *stack) calls() int {
	if _, err := os.Stat(filepath.Join(s.dir, "ledger.db")); err != nil {
		return 0
	}
	if s.number("ledger.db", "SELECT count(*) FROM sqlite_master WHERE name='call'") == 0 {
		return 0
	}
	return s.number("ledger.db", "SELECT count(*) FROM call")
}

// check compares with an undisturbed run, and what was paid with what is stored.
func (k *killer) check(want outcome, result workflows.IngestLibraryResult) {
	k.t.Helper()
	require.Empty(k.t, result.Failures)
	got := k.outcome()
	require.Equal(k.t, want.visible, got.visible)
	require.Equal(k.t, want.objects, got.objects)
	require.Zero(k.t, k.hidden())
	require.Empty(k.t, k.temporary())
	require.Empty(k.t, k.children())

	require.Empty(k.t, k.rows("ledger.db", "SELECT fingerprint FROM call WHERE answered GROUP BY fingerprint HAVING count(*) > 1"),
		"a stored answer was paid for again")
	lost := k.number("ledger.db", "SELECT count(*) FROM call WHERE ended_ms IS NULL")
	repeated := k.number("ledger.db", `SELECT count(*) FROM call a WHERE a.answered AND EXISTS
		(SELECT 1 FROM call b WHERE b.fingerprint = a.fingerprint AND b.id < a.id AND b.ended_ms IS NULL)`)
	k.t.Logf("%d kills, %d calls lost, %d repeated", k.kills, lost, result.RepeatedCalls)
	require.LessOrEqual(k.t, lost, k.kills*runtime.NumCPU(), "more calls were lost than can be in flight")
	require.LessOrEqual(k.t, result.RepeatedCalls, lost)
	require.GreaterOrEqual(k.t, result.RepeatedCalls, repeated)
}

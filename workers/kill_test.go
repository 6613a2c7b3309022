package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// soakRuns is the number of runs of the soak test, each with ten kills; it takes less than an hour.
const soakRuns = 20

// TestKill kills workers, the server and both at random moments of an ingest, and compares
// the result with an undisturbed one. COGFLOW_SOAK=1 repeats it many times, and with text
// that is read from the frames.
func TestKill(t *testing.T) {
	t.Parallel()
	const videos, frames = 6, 20
	dir := small(t, videos, frames)
	want := undisturbed(t, dir)
	require.Len(t, want.visible, videos*frames)
	runs := 1
	if os.Getenv("COGFLOW_SOAK") != "" {
		runs = soakRuns
	}
	everything := [][]string{nil, nil}
	divided := [][]string{{"--pools", "cogflow,index"}, {"--pools", "media"}, {"--pools", "describe,embed"}}
	for name, c := range map[string]struct {
		pools [][]string
		kills int
		kill  func(k *killer)
	}{
		"workers": {everything, 10, (*killer).killWorker},
		"server":  {divided, 3, (*killer).killServer},
		"both":    {divided, 2, (*killer).killAll},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range runs {
				k := newKiller(t, c.pools)
				job := k.begin("library", ingest.LibraryInput{Source: dir})
				for _, calls := range k.moments(c.kills, videos*frames) {
					k.await(calls, job)
					c.kill(k)
				}
				result := job.wait(t)
				k.drain()
				k.check(want, result)
			}
		})
	}
}

// outcome is the visible documents and the objects after an ingest.
type outcome struct{ visible, objects []string }

func (s *stack) outcome() outcome { return outcome{s.visible(), s.objects()} }

// undisturbed ingests a library without faults.
func undisturbed(t *testing.T, dir string) outcome {
	t.Helper()
	s := newKillStack(t)
	w := s.worker(nil)
	result, err := execute[ingest.LibraryResult](s, "library", "IngestLibrary", ingest.LibraryInput{Source: dir})
	require.NoError(t, err)
	require.Empty(t, result.Failures)
	require.Zero(t, result.RepeatedCalls)
	w.drain()
	require.NoError(t, s.server.Stop())
	require.Empty(t, s.temporary())
	return s.outcome()
}

func newKillStack(t *testing.T) *stack {
	t.Helper()
	s := newSmallStack(t, nil)
	if os.Getenv("COGFLOW_SOAK") != "" {
		s.readsText()
	}
	return s
}

// killer is a stack whose processes are killed.
type killer struct {
	*stack
	random  *rand.Rand
	pools   [][]string // flags of each worker
	workers []*workerProcess
	kills   int // number of killed workers
}

func newKiller(t *testing.T, pools [][]string) *killer {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	k := &killer{stack: newKillStack(t), random: rand.New(rand.NewPCG(seed, 0)), pools: pools}
	for _, flags := range pools {
		k.workers = append(k.workers, k.worker(flags))
	}
	// A worker that does not reach the server when it starts ends. So the first kill comes later.
	for _, pool := range []string{"media", "index", "describe"} {
		serve := 0
		for _, flags := range pools {
			if len(flags) == 0 || strings.Contains(flags[1], pool) {
				serve++
			}
		}
		queue := pool
		if pool == "describe" {
			queue = "describe-cpu"
		}
		k.awaitPollers(queue, serve)
	}
	return k
}

// moments chooses the describe calls at which a process is killed.
func (k *killer) moments(kills, calls int) []int {
	out := make([]int, kills)
	for i := range out {
		out[i] = k.random.IntN(calls)
	}
	slices.Sort(out)
	return out
}

// await waits for a number of describe calls and then a little longer, so that other stages
// are interrupted as well.
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
	k.noOrphans(2, survivors...)
	k.workers[victim] = k.worker(k.pools[victim])
}

// killServer kills the server and starts it again with the same database file.
func (k *killer) killServer() {
	k.t.Helper()
	k.stack.killServer()
	k.start()
}

// killAll simulates a power failure: all processes are killed, and all files are kept.
func (k *killer) killAll() {
	k.t.Helper()
	k.stack.killServer()
	for _, w := range k.workers {
		w.kill()
		k.kills++
	}
	k.noOrphans(2)
	k.start()
	for i, flags := range k.pools {
		k.workers[i] = k.worker(flags)
	}
}

func (k *killer) drain() {
	k.t.Helper()
	for _, w := range k.workers {
		w.drain()
	}
	require.NoError(k.t, k.server.Stop())
}

// calls is the number of ledger entries.
func (s *stack) calls() int {
	if _, err := os.Stat(filepath.Join(s.dir, "ledger.db")); err != nil {
		return 0
	}
	if s.number("ledger.db", "SELECT count(*) FROM sqlite_master WHERE name='call'") == 0 {
		return 0
	}
	return s.number("ledger.db", "SELECT count(*) FROM call")
}

// check compares the result with an undisturbed run, and paid calls with stored answers.
func (k *killer) check(want outcome, result ingest.LibraryResult) {
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
	require.Zero(k.t, k.number("ledger.db", "SELECT count(*) FROM call WHERE ended_ms IS NULL"), "an open ledger entry was not settled")
	lost := k.number("ledger.db", "SELECT count(*) FROM call WHERE outcome='lost'")
	repeated := k.number("ledger.db", `SELECT count(*) FROM call a WHERE a.answered AND EXISTS
		(SELECT 1 FROM call b WHERE b.fingerprint = a.fingerprint AND b.id < a.id AND b.outcome='lost')`)
	k.t.Logf("%d kills, %d calls lost, %d repeated", k.kills, lost, result.RepeatedCalls)
	inFlight := runtime.NumCPU() + runtime.NumCPU()/4 // calls in flight of a worker; see activities
	require.LessOrEqual(k.t, lost, k.kills*inFlight, "more calls were lost than were in flight")
	require.LessOrEqual(k.t, result.RepeatedCalls, lost)
	require.GreaterOrEqual(k.t, result.RepeatedCalls, repeated)
}

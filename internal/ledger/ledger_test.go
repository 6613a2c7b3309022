package ledger

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

var _ activities.Ledger = (*Ledger)(nil)

func open(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func openNew(t testing.TB) *Ledger { return open(t, filepath.Join(t.TempDir(), "ledger.db")) }

func call(job, fingerprint string, cost int64) video.Call {
	return video.Call{
		Tenant: "acme", Job: job, Workflow: job + "/video", Kind: "describe", Model: "vlm",
		Fingerprint: video.Fingerprint(fingerprint), CostMicroUSD: cost,
	}
}

func begin(t testing.TB, l *Ledger, c video.Call, limit int64) int64 {
	t.Helper()
	id, err := l.Begin(t.Context(), c, limit)
	require.NoError(t, err)
	require.Positive(t, id)
	return id
}

func spend(t testing.TB, l *Ledger) video.Spend {
	t.Helper()
	s, err := l.Job(t.Context(), "acme", "job")
	require.NoError(t, err)
	return s
}

func TestSpend(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	require.Zero(t, spend(t, l))

	a := begin(t, l, call("job", "a", 10), 0)
	b := begin(t, l, call("job", "b", 10), 0)
	begin(t, l, call("job", "c", 10), 0)
	begin(t, l, call("other", "a", 10), 0)
	rival := call("job", "a", 10)
	rival.Tenant = "rival"
	begin(t, l, rival, 0)
	require.NoError(t, l.End(t.Context(), a, true, 7))
	require.NoError(t, l.End(t.Context(), b, false, 1))
	require.Equal(t, video.Spend{Calls: 3, Answered: 1, Open: 1, CostMicroUSD: 8, Reserved: 10}, spend(t, l))
}

func TestRepeated(t *testing.T) {
	t.Parallel()
	const lost, answered, unanswered = "lost", "answered", "unanswered"
	for name, c := range map[string]struct {
		calls []string
		want  int
	}{
		"once":                   {[]string{answered}, 0},
		"lost once":              {[]string{lost}, 0},
		"after a failure":        {[]string{unanswered, unanswered, answered}, 0},
		"after an answer":        {[]string{answered, answered}, 1},
		"after a loss":           {[]string{lost, answered}, 1},
		"lost, failed, answered": {[]string{lost, unanswered, answered}, 1},
		"lost twice":             {[]string{lost, lost, answered}, 2},
		"failed after an answer": {[]string{answered, unanswered}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := openNew(t)
			for _, outcome := range c.calls {
				id := begin(t, l, call("job", "a", 1), 0)
				if outcome != lost {
					require.NoError(t, l.End(t.Context(), id, outcome == answered, 1))
				}
			}
			begin(t, l, call("job", "another", 1), 0)
			require.Equal(t, c.want, spend(t, l).Repeated)
		})
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	refused := func(cost, limit int64) {
		t.Helper()
		before := spend(t, l)
		_, err := l.Begin(t.Context(), call("job", "x", cost), limit)
		require.Equal(t, fault.Budget, fault.ClassOf(err), "%v", err)
		require.Equal(t, before, spend(t, l), "a refusal records nothing")
	}
	refused(101, 100)
	a := begin(t, l, call("job", "a", 100), 100)
	refused(1, 100)
	begin(t, l, call("other", "a", 100), 100)
	require.NoError(t, l.End(t.Context(), a, true, 60))
	refused(41, 100)
	begin(t, l, call("job", "b", 40), 100)
	begin(t, l, call("job", "free", 0), 100)
	refused(1, 100)
	begin(t, l, call("job", "c", 1), 0)

	_, err := l.Begin(t.Context(), call("job", "x", 2_500_000), 3)
	require.EqualError(t, err, `begin call "vlm": it may cost $2.500000, job "job" has spent $0.000060 and reserved `+
		`$0.000041 of its limit of $0.000003; raise the limit to continue`)
}

func TestLostReservationsExpire(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	pass := setClock(l)
	lost := begin(t, l, call("job", "a", 100), 100)
	_, err := l.Begin(t.Context(), call("job", "a", 100), 100)
	require.Equal(t, fault.Budget, fault.ClassOf(err))
	pass(lostAfter)
	begin(t, l, call("job", "a", 100), 100)
	s := spend(t, l)
	require.Equal(t, 2, s.Open)
	require.EqualValues(t, 200, s.Reserved)
	require.Equal(t, 1, s.Repeated)
	require.NoError(t, l.End(t.Context(), lost, true, 90), "it was late, not lost")
	require.EqualValues(t, 90, spend(t, l).CostMicroUSD)
}

// setClock stops the ledger's clock; pass moves it on.
func setClock(l *Ledger) (pass func(time.Duration)) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	l.now = func() time.Time { return time.Unix(0, now.Load()) }
	return func(d time.Duration) { now.Add(int64(d)) }
}

func TestLatency(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	latency := func() time.Duration {
		d, err := l.Latency(t.Context(), "vlm")
		require.NoError(t, err)
		return d
	}
	require.Zero(t, latency())
	pass := setClock(l)
	took := func(d time.Duration, answered bool) {
		id := begin(t, l, call("job", "a", 1), 0)
		pass(d)
		require.NoError(t, l.End(t.Context(), id, answered, 1))
	}
	took(time.Second, true)
	took(2*time.Second, true)
	took(time.Hour, false)
	require.Equal(t, 1500*time.Millisecond, latency())
	for range recent {
		took(100*time.Millisecond, true)
	}
	require.Equal(t, 100*time.Millisecond, latency(), "what is long ago does not count")
}

func TestEnd(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	id := begin(t, l, call("job", "a", 5), 0)
	require.NoError(t, l.End(t.Context(), id, true, 4))
	require.NoError(t, l.End(t.Context(), id, true, 4), "again")
	for name, err := range map[string]error{
		"other cost":   l.End(t.Context(), id, true, 5),
		"other answer": l.End(t.Context(), id, false, 4),
		"unknown":      l.End(t.Context(), id+1, true, 4),
		"negative":     l.End(t.Context(), id, true, -1),
	} {
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
	}
	require.Equal(t, video.Spend{Calls: 1, Answered: 1, CostMicroUSD: 4}, spend(t, l))
	begin(t, l, call("job", "b", 1), 5)
	_, err := l.Begin(t.Context(), call("job", "c", 1), 5)
	require.Equal(t, fault.Budget, fault.ClassOf(err), "settled once only")
}

func TestBadCalls(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	for name, spoil := range map[string]func(c *video.Call){
		"tenant":      func(c *video.Call) { c.Tenant = "" },
		"job":         func(c *video.Call) { c.Job = "" },
		"fingerprint": func(c *video.Call) { c.Fingerprint = "" },
		"cost":        func(c *video.Call) { c.CostMicroUSD = -1 },
	} {
		c := call("job", "a", 1)
		spoil(&c)
		_, err := l.Begin(t.Context(), c, 0)
		require.Equal(t, fault.Input, fault.ClassOf(err), name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Begin(ctx, call("job", "a", 1), 0)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, spend(t, l))
}

// TestBudgetConcurrently lets several handles of one file, as of several
// processes, race for a budget.
func TestBudgetConcurrently(t *testing.T) {
	t.Parallel()
	const limit, cost, perWorker = 1000, 7, 20
	path := filepath.Join(t.TempDir(), "ledger.db")
	var workers sync.WaitGroup
	var begun atomic.Int64
	for process := range 3 {
		l := open(t, path)
		for worker := range 8 {
			workers.Go(func() {
				for i := range perWorker {
					id, err := l.Begin(t.Context(), call("job", fmt.Sprint(process, worker, i), cost), limit)
					if fault.ClassOf(err) == fault.Budget {
						continue
					}
					if err != nil {
						t.Errorf("begin: %v", err)
						return
					}
					begun.Add(1)
					if s, err := l.Job(t.Context(), "acme", "job"); err != nil || s.CostMicroUSD+s.Reserved > limit {
						t.Errorf("over the limit: %+v %v", s, err)
					}
					if i%2 == 0 {
						if err := l.End(t.Context(), id, true, cost); err != nil {
							t.Errorf("end: %v", err)
						}
					}
				}
			})
		}
	}
	workers.Wait()
	s := spend(t, open(t, path))
	require.EqualValues(t, limit/cost, s.Calls, "the budget is used up and never exceeded")
	require.EqualValues(t, begun.Load(), s.Calls)
	require.EqualValues(t, s.Calls*cost, s.CostMicroUSD+s.Reserved)
}

// TestSeenByOthers reads through a second handle while the first is still open,
// as after a SIGKILL: what Begin and End returned for is in the file.
func TestSeenByOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	dying := open(t, path)
	a := begin(t, dying, call("job", "a", 10), 0)
	begin(t, dying, call("job", "b", 10), 0)
	require.NoError(t, dying.End(t.Context(), a, true, 9))

	next := open(t, path)
	require.Equal(t, video.Spend{Calls: 2, Answered: 1, Open: 1, CostMicroUSD: 9, Reserved: 10}, spend(t, next))
	later(next, 2*aliveFor)
	b := begin(t, next, call("job", "b", 10), 0)
	require.NoError(t, next.End(t.Context(), b, true, 9))
	require.Equal(t, 1, spend(t, dying).Repeated)
}

// later sets the clock of a ledger that nobody uses yet.
func later(l *Ledger, d time.Duration) { l.now = func() time.Time { return time.Now().Add(d) } }

// TestRival lets two processes want the same calls.
func TestRival(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	one, other := open(t, path), open(t, path)
	refused := func(l *Ledger, c video.Call) {
		t.Helper()
		before := spend(t, one)
		_, err := l.Begin(t.Context(), c, 0)
		require.Equal(t, fault.Overload, fault.ClassOf(err), err)
		require.Positive(t, fault.RetryAfter(err))
		require.Equal(t, before, spend(t, one), "a refused call leaves nothing")
	}
	id := begin(t, one, call("job", "a", 1), 0)
	refused(other, call("job", "a", 1))
	refused(other, call("another job", "a", 1))
	rival := call("job", "a", 1)
	rival.Tenant = "rival"
	begin(t, other, rival, 0)
	begin(t, other, call("job", "b", 1), 0)

	require.NoError(t, one.End(t.Context(), id, false, 0))
	id = begin(t, other, call("job", "a", 1), 0)
	refused(one, call("job", "a", 1))
	require.NoError(t, other.End(t.Context(), id, true, 1))
	refused(one, call("job", "a", 1)) // it looked for the answer too early

	afterwards := open(t, path)
	later(afterwards, 2*aliveFor)
	begin(t, afterwards, call("job", "a", 1), 0) // the answer has been lost since
	begin(t, afterwards, call("job", "b", 1), 0) // the other process has died
}

// TestBeat keeps a call that takes long from being taken for lost.
func TestBeat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	busy, other := open(t, path), open(t, path)
	begin(t, busy, call("job", "a", 1), 0)
	seen := func() (ms int64) {
		err := other.db.Read.QueryRowContext(t.Context(), "SELECT seen_ms FROM process").Scan(&ms)
		require.NoError(t, err)
		return ms
	}
	first := seen()
	require.Eventually(t, func() bool { return seen() > first }, 5*beatEvery, 50*time.Millisecond)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	l, err := Open(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	_, err = l.Begin(t.Context(), call("job", "a", 1), 0)
	require.Equal(t, fault.Preempted, fault.ClassOf(err))
}

func BenchmarkBeginEnd(b *testing.B) {
	l := openNew(b)
	work := make(chan int)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for i := range work {
				id, err := l.Begin(b.Context(), call("job", fmt.Sprint(i), 10), 1<<40)
				if err == nil {
					err = l.End(b.Context(), id, true, 9)
				}
				if err != nil {
					b.Errorf("call: %v", err)
				}
			}
		})
	}
	b.ResetTimer()
	for i := range b.N {
		work <- i
	}
	close(work)
	workers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
	b.StopTimer()
	start := time.Now()
	spend(b, l)
	b.ReportMetric(float64(time.Since(start).Milliseconds()), "job_ms")
}

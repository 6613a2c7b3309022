package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile/dbfiletest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
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

// begin reserves without waiting and returns the key.
func begin(t testing.TB, l *Ledger, c video.Call, limit int64) string {
	t.Helper()
	r, err := l.TryReserve(t.Context(), c, limit)
	require.NoError(t, err)
	require.NotEmpty(t, r.Key)
	return r.Key
}

func settle(t testing.TB, l *Ledger, key string, o money.Outcome, cost int64) money.Booking {
	t.Helper()
	b, err := l.Settle(t.Context(), key, o, cost)
	require.NoError(t, err)
	return b
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
	settle(t, l, a, money.Answered, 7)
	settle(t, l, b, money.BilledFailure, 1)
	require.Equal(t, video.Spend{Calls: 3, Describe: 3, Answered: 1, Charged: 1, Open: 1, CostMicroUSD: 8, Reserved: 10}, spend(t, l))
}

// TestRepeated holds the sum of the file against the rule, for random outcomes.
func TestRepeated(t *testing.T) {
	t.Parallel()
	outcomes := []money.Outcome{money.Answered, money.Refused, money.BilledFailure, money.Lost, money.Released}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		l := openNew(t)
		var want video.Spend
		for fingerprint := range 3 {
			var made []money.Outcome
			for range random.IntN(6) {
				o := outcomes[random.IntN(len(outcomes))]
				c := call("job", fmt.Sprint(fingerprint), 1)
				c.Attempt = len(made) + 1
				settle(t, l, begin(t, l, c, 0), o, 1)
				made = append(made, o)
				want.CostMicroUSD++
				for o, n := range map[money.Outcome]*int{money.Answered: &want.Answered, money.BilledFailure: &want.Charged, money.Lost: &want.Lost} {
					if made[len(made)-1] == o {
						*n++
					}
				}
				if o != money.Released {
					want.Calls++
					want.Describe++
				}
			}
			want.Repeated += money.Repeated(made)
		}
		require.Equal(t, want, spend(t, l))
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	refused := func(cost, limit int64, as error) {
		t.Helper()
		before := spend(t, l)
		_, err := l.TryReserve(t.Context(), call("job", "x", cost), limit)
		if as == nil {
			require.Equal(t, fault.Budget, fault.ClassOf(err), "%v", err)
		} else {
			require.ErrorIs(t, err, as)
		}
		require.Equal(t, before, spend(t, l), "a refusal records nothing")
	}
	refused(101, 100, nil)
	a := begin(t, l, call("job", "a", 100), 100)
	refused(1, 100, money.ErrNoRoom)
	begin(t, l, call("other", "a", 100), 100)
	settle(t, l, a, money.Answered, 60)
	refused(41, 100, nil)
	begin(t, l, call("job", "b", 40), 100)
	begin(t, l, call("job", "free", 0), 100)
	refused(1, 100, money.ErrNoRoom)
	begin(t, l, call("job", "c", 1), 0)

	_, err := l.TryReserve(t.Context(), call("job", "x", 2_500_000), 3)
	require.EqualError(t, err, `begin call "vlm": it may cost $2.500000, and job "job" has spent $0.000060 of its limit of $0.000003; raise the limit to continue`)
}

// TestReserveWaits: a reservation that settles for less makes room, also if another process made it.
func TestReserveWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, other := open(t, path), open(t, path)
	a := begin(t, l, call("job", "a", 60), 100)
	b := begin(t, other, call("job", "b", 40), 100)
	got := make(chan error, 2)
	wait := func(name string, cost int64) {
		_, err := l.Reserve(t.Context(), call("job", name, cost), 100)
		got <- err
	}
	go wait("c", 45)
	settle(t, l, a, money.Answered, 10)
	require.NoError(t, <-got)
	go wait("d", 50) // 10 settled, 85 reserved
	settle(t, other, b, money.Answered, 40)
	require.NoError(t, l.enter(t.Context(), func(context.Context, statements) (error, error) { return nil, nil }))
	c := money.NewKey("acme", "job", "describe", "c", 1)
	settle(t, other, c, money.BilledFailure, 45)
	require.Equal(t, fault.Budget, fault.ClassOf(<-got), "nothing is in flight any more, and 95 of 100 are spent")
}

// TestSweep: what a process that is gone has open is booked as lost at its
// reservation, and who knows better may say so later.
func TestSweep(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	gone, l := open(t, path), open(t, path)
	pass := setClock(l)
	a := begin(t, gone, call("job", "a", 100), 100)
	_, err := l.TryReserve(t.Context(), call("job", "b", 1), 100)
	require.ErrorIs(t, err, money.ErrNoRoom)
	gone.seen = time.Now().Add(time.Hour) // it says no more that it lives
	pass(2 * leaseFor)
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Lost: 1, CostMicroUSD: 100}, spend(t, l))
	_, err = l.TryReserve(t.Context(), call("job", "b", 1), 100)
	require.Equal(t, fault.Budget, fault.ClassOf(err))
	begin(t, l, call("job", "a", 50), 0)
	require.Equal(t, money.Booking{Outcome: money.Answered, MicroUSD: 90}, settle(t, gone, a, money.Answered, 90), "it was late, not lost")
	require.EqualValues(t, 90, spend(t, l).CostMicroUSD)
	spent, err := l.Spent(t.Context(), "acme", "job", "job/video")
	require.NoError(t, err)
	require.EqualValues(t, 90, spent)
}

// TestSweepOld: the calls of a build without keys are swept too, later.
func TestSweepOld(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	pass := setClock(l)
	_, err := l.db.Write.ExecContext(t.Context(), `INSERT INTO call (tenant, job, workflow, kind, model, fingerprint, begun_ms, cost, process)
		VALUES ('acme', 'job', 'w', 'describe', 'vlm', 'a', ?, 7, 'old')`, l.now().UnixMilli())
	require.NoError(t, err)
	pass(leaseForOld - time.Second)
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Open: 1, Reserved: 7}, spend(t, l))
	pass(2 * time.Second)
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Lost: 1, CostMicroUSD: 7}, spend(t, l))
	require.NoError(t, l.End(t.Context(), 1, true, 5))
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Answered: 1, CostMicroUSD: 5}, spend(t, l))
}

// TestClose books what is still in flight as lost.
func TestClose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path)
	require.NoError(t, err)
	begin(t, l, call("job", "a", 9), 0)
	require.NoError(t, l.Close())
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Lost: 1, CostMicroUSD: 9}, spend(t, open(t, path)))
}

// TestAdditive: a build without the additions goes on with the file.
func TestAdditive(t *testing.T) {
	t.Parallel()
	dbfiletest.Additive(t, kind())
}

// TestGiveUp: calls that are billed and bring nothing have a bound that outlives
// processes; lost and refused ones do not count.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	for i := range money.MaxCharged {
		l := open(t, path)
		settle(t, l, begin(t, l, call("job", "a", 5), 0), money.Refused, 0)
		settle(t, l, begin(t, l, call("job", "a", 5), 0), money.Lost, 5)
		r, err := l.TryReserve(t.Context(), call("job", "a", 5), 0)
		require.NoError(t, err)
		require.Equal(t, i, r.Charged)
		require.Equal(t, 3*i+3, r.Attempt)
		settle(t, l, r.Key, money.BilledFailure, 5)
	}
	l := open(t, path)
	_, err := l.TryReserve(t.Context(), call("job", "a", 5), 0)
	require.ErrorIs(t, err, money.ErrGivenUp)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	begin(t, l, call("another job", "a", 5), 0)
}

// TestGiveUpLost: an answer that ends every worker which reads it is not paid for
// without end.
func TestGiveUpLost(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	for range money.MaxLost {
		settle(t, l, begin(t, l, call("j", "f", 10), 0), money.Lost, 10)
	}
	_, err := l.TryReserve(t.Context(), call("j", "f", 10), 0)
	require.ErrorIs(t, err, money.ErrGivenUp)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	begin(t, l, call("j", "g", 10), 0)
	begin(t, l, call("another", "f", 10), 0)
}

// TestAbsurd: no amount overflows.
func TestAbsurd(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	for i := range 3 {
		settle(t, l, begin(t, l, call("job", fmt.Sprint(i), math.MaxInt64), 0), money.Answered, math.MaxInt64)
		begin(t, l, call("job", fmt.Sprint(9-i), math.MaxInt64), 0)
	}
	require.EqualValues(t, 3*mostMicro, spend(t, l).CostMicroUSD)
	_, err := l.TryReserve(t.Context(), call("job", "x", math.MaxInt64), math.MaxInt64)
	require.NoError(t, err)
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
		outcome := money.Answered
		if !answered {
			outcome = money.BilledFailure
		}
		settle(t, l, id, outcome, 1)
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

// TestSettle: any process settles, as often as it likes; the first one stands.
func TestSettle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, other := open(t, path), open(t, path)
	key := begin(t, l, call("job", "a", 5), 0)
	first := money.Booking{Outcome: money.Answered, MicroUSD: 4}
	require.Equal(t, first, settle(t, other, key, money.Answered, 4))
	require.Equal(t, first, settle(t, l, key, money.Answered, 4), "again")
	require.Equal(t, first, settle(t, l, key, money.Answered, 5), "the first stands")
	require.Equal(t, first, settle(t, l, key, money.Lost, 5))
	for name, err := range map[string]error{
		"unknown":  second(l.Settle(t.Context(), "nobody", money.Answered, 4)),
		"outcome":  second(l.Settle(t.Context(), key, "fine", 4)),
		"negative": second(l.Settle(t.Context(), key, money.Answered, -1)),
		"row":      l.End(t.Context(), 99, true, 1),
	} {
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
	}
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Answered: 1, CostMicroUSD: 4}, spend(t, l))
	begin(t, l, call("job", "b", 1), 5)
	_, err := l.TryReserve(t.Context(), call("job", "c", 1), 5)
	require.ErrorIs(t, err, money.ErrNoRoom, "settled once only")
}

func second[T any](_ T, err error) error { return err }

// TestTakeOver: a reservation of a known attempt is made once, by any process.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, other := open(t, path), open(t, path)
	slice := call("job", "slice", 5)
	slice.Attempt = 1
	key := begin(t, l, slice, 5)
	require.Equal(t, key, begin(t, other, slice, 5))
	require.Equal(t, 1, spend(t, l).Open)
	settle(t, other, key, money.Answered, 3)
	_, err := l.TryReserve(t.Context(), slice, 5)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
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
		_, err := l.TryReserve(t.Context(), c, 0)
		require.Equal(t, fault.Input, fault.ClassOf(err), name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Reserve(ctx, call("job", "a", 1), 0)
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
					r, err := l.TryReserve(t.Context(), call("job", fmt.Sprint(process, worker, i), cost), limit)
					if fault.ClassOf(err) == fault.Budget || errors.Is(err, money.ErrNoRoom) {
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
						if _, err := l.Settle(t.Context(), r.Key, money.Answered, cost); err != nil {
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
	settle(t, dying, a, money.Answered, 9)

	next := open(t, path)
	require.Equal(t, video.Spend{Calls: 2, Describe: 2, Answered: 1, Open: 1, CostMicroUSD: 9, Reserved: 10}, spend(t, next))
	later(next, 2*aliveFor)
	b := begin(t, next, call("job", "b", 10), 0)
	settle(t, next, b, money.Answered, 9)
	require.Equal(t, 1, spend(t, next).Repeated)
}

// later sets the clock of a ledger that is not in use yet.
func later(l *Ledger, d time.Duration) { l.now = func() time.Time { return time.Now().Add(d) } }

// TestRival lets two processes want the same calls.
func TestRival(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	one, other := open(t, path), open(t, path)
	refused := func(l *Ledger, c video.Call) {
		t.Helper()
		before := spend(t, one)
		_, err := l.TryReserve(t.Context(), c, 0)
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

	settle(t, one, id, money.Refused, 0)
	id = begin(t, other, call("job", "a", 1), 0)
	refused(one, call("job", "a", 1))
	settle(t, other, id, money.Answered, 1)
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
	_, err = l.TryReserve(t.Context(), call("job", "a", 1), 0)
	require.Equal(t, fault.Preempted, fault.ClassOf(err))
}

func BenchmarkBeginEnd(b *testing.B) {
	l := openNew(b)
	work := make(chan int)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for i := range work {
				r, err := l.TryReserve(b.Context(), call("job", fmt.Sprint(i), 10), 1<<40)
				if err == nil {
					_, err = l.Settle(b.Context(), r.Key, money.Answered, 9)
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

// TestHeld: an entry is found by its key or its row, by the job that made it alone.
func TestHeld(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	l.now = func() time.Time { return time.UnixMilli(1e12) }
	key := begin(t, l, call("job", "f", 7), 0)
	for _, c := range []struct {
		tenant, job, key string
		row              int64
		found            bool
	}{
		{"acme", "job", key, 0, true},
		{"acme", "job", "", 1, true},
		{"acme", "other", key, 0, false},
		{"acme", "other", "", 1, false},
		{"other", "job", key, 0, false},
		{"other", "job", "", 1, false},
		{"acme", "job", "unknown", 1, false},
		{"acme", "job", "", 2, false},
	} {
		micro, begun, found, err := l.Held(t.Context(), tenant.ID(c.tenant), c.job, c.key, c.row)
		require.NoError(t, err)
		require.Equal(t, c.found, found, "%+v", c)
		if found {
			require.Equal(t, int64(7), micro)
			require.Equal(t, int64(1e12), begun.UnixMilli())
		}
	}
}

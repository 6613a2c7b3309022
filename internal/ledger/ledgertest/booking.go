package ledgertest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func testSpend(t *testing.T, s Store) {
	l := s.open(t)
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
	require.EqualValues(t, 8, spent(t, l, "job", ""))
	require.EqualValues(t, 8, spent(t, l, "job", "job/video"))
	require.Zero(t, spent(t, l, "job", "job/another"))
	require.Zero(t, spent(t, l, "other", ""))
}

// testRepeated compares the sums of the database with the rule, for random outcomes.
func testRepeated(t *testing.T, s Store) {
	outcomes := []money.Outcome{money.Answered, money.Refused, money.BilledFailure, money.Lost, money.Released}
	random := rand.New(rand.NewPCG(1, 2))
	l := s.open(t)
	for i := range 40 {
		job := fmt.Sprint("job", i)
		var want video.Spend
		for fingerprint := range 3 {
			var made []money.Outcome
			for range random.IntN(6) {
				o := outcomes[random.IntN(len(outcomes))]
				c := call(job, fmt.Sprint(fingerprint), 1)
				c.Attempt = len(made) + 1
				settle(t, l, begin(t, l, c, 0), o, 1)
				made = append(made, o)
				want.CostMicroUSD++
				for outcome, n := range map[money.Outcome]*int{money.Answered: &want.Answered, money.BilledFailure: &want.Charged, money.Lost: &want.Lost} {
					if o == outcome {
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
		got, err := l.Job(t.Context(), "acme", job)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// testSettle: any process settles, as often as it likes; the first settlement stands.
func testSettle(t *testing.T, s Store) {
	l, other := s.open(t), s.open(t)
	key := begin(t, l, call("job", "a", 5), 0)
	first := money.Booking{Outcome: money.Answered, MicroUSD: 4}
	require.Equal(t, first, settle(t, other, key, money.Answered, 4))
	require.Equal(t, first, settle(t, l, key, money.Answered, 4), "again")
	require.Equal(t, first, settle(t, l, key, money.Answered, 5), "the first stands")
	require.Equal(t, first, settle(t, l, key, money.Lost, 5))
	for name, err := range map[string]error{
		"unknown":  second(l.Settle(t.Context(), "nobody", money.Booking{Outcome: money.Answered, MicroUSD: 4})),
		"NUL":      second(l.Settle(t.Context(), "no\x00body", money.Booking{Outcome: money.Answered, MicroUSD: 4})),
		"outcome":  second(l.Settle(t.Context(), key, money.Booking{Outcome: "fine", MicroUSD: 4})),
		"negative": second(l.Settle(t.Context(), key, money.Booking{Outcome: money.Answered, MicroUSD: -1})),
	} {
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
	}
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Answered: 1, CostMicroUSD: 4}, spend(t, l))
	begin(t, l, call("job", "b", 1), 5)
	_, err := l.TryReserve(t.Context(), call("job", "c", 1), 5)
	require.ErrorIs(t, err, money.ErrNoRoom, "settled once only")
}

func second[T any](_ T, err error) error { return err }

// testTakeOver: a reservation of a known attempt is made once, by any process.
func testTakeOver(t *testing.T, s Store) {
	l, other := s.open(t), s.open(t)
	slice := call("job", "slice", 5)
	slice.Attempt = 1
	key := begin(t, l, slice, 5)
	require.Equal(t, key, begin(t, other, slice, 5))
	require.Equal(t, 1, spend(t, l).Open)
	settle(t, other, key, money.Answered, 3)
	_, err := l.TryReserve(t.Context(), slice, 5)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
}

// testGiveUp: calls that are billed and bring nothing have a limit that outlives processes;
// lost and refused ones do not count.
func testGiveUp(t *testing.T, s Store) {
	for i := range money.MaxCharged {
		l := s.open(t)
		settle(t, l, begin(t, l, call("job", "a", 5), 0), money.Refused, 0)
		settle(t, l, begin(t, l, call("job", "a", 5), 0), money.Lost, 5)
		r, err := l.TryReserve(t.Context(), call("job", "a", 5), 0)
		require.NoError(t, err)
		require.Equal(t, i, r.Charged)
		require.Equal(t, 3*i+3, r.Attempt)
		settle(t, l, r.Key, money.BilledFailure, 5)
	}
	l := s.open(t)
	_, err := l.TryReserve(t.Context(), call("job", "a", 5), 0)
	require.ErrorIs(t, err, money.ErrGivenUp)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	begin(t, l, call("another job", "a", 5), 0)
}

// testGiveUpLost: an answer that ends every worker which reads it is not paid for without
// end.
func testGiveUpLost(t *testing.T, s Store) {
	l := s.open(t)
	for range money.MaxLost {
		settle(t, l, begin(t, l, call("j", "f", 10), 0), money.Lost, 10)
	}
	_, err := l.TryReserve(t.Context(), call("j", "f", 10), 0)
	require.ErrorIs(t, err, money.ErrGivenUp)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	begin(t, l, call("j", "g", 10), 0)
	begin(t, l, call("another", "f", 10), 0)
}

// testAbsurd: no amount overflows.
func testAbsurd(t *testing.T, s Store) {
	const most = 1 << 53 // of one entry
	l := s.open(t)
	for i := range 3 {
		settle(t, l, begin(t, l, call("job", fmt.Sprint(i), math.MaxInt64), 0), money.Answered, math.MaxInt64)
		begin(t, l, call("job", fmt.Sprint(9-i), math.MaxInt64), 0)
	}
	require.EqualValues(t, 3*most, spend(t, l).CostMicroUSD)
	_, err := l.TryReserve(t.Context(), call("job", "x", math.MaxInt64), math.MaxInt64)
	require.NoError(t, err)
}

func testBadCalls(t *testing.T, s Store) {
	l := s.open(t)
	for name, spoil := range map[string]func(c *video.Call){
		"tenant":      func(c *video.Call) { c.Tenant = "" },
		"job":         func(c *video.Call) { c.Job = "" },
		"fingerprint": func(c *video.Call) { c.Fingerprint = "" },
		"cost":        func(c *video.Call) { c.CostMicroUSD = -1 },
		"NUL":         func(c *video.Call) { c.Model = "a\x00b" },
		"not UTF-8":   func(c *video.Call) { c.Workflow = "a\xffb" },
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

// testHeld: an entry is found by its key, by the job that made it alone.
func testHeld(t *testing.T, s Store) {
	l := s.open(t)
	key := begin(t, l, call("job", "f", 7), 0)
	for _, c := range []struct {
		tenant, job, key string
		found            bool
	}{
		{"acme", "job", key, true},
		{"acme", "other", key, false},
		{"other", "job", key, false},
		{"acme", "job", "unknown", false},
	} {
		micro, begun, found, err := l.Held(t.Context(), tenant.ID(c.tenant), c.job, c.key, 0)
		require.NoError(t, err)
		require.Equal(t, c.found, found, "%+v", c)
		if found {
			require.Equal(t, int64(7), micro)
			require.WithinDuration(t, s.Now(t), begun, time.Minute)
		}
	}
}

func testBudget(t *testing.T, s Store) {
	l := s.open(t)
	refused := func(cost int64, as error) {
		t.Helper()
		before := spend(t, l)
		_, err := l.TryReserve(t.Context(), call("job", "x", cost), 100)
		if as == nil {
			require.Equal(t, fault.Budget, fault.ClassOf(err), "%v", err)
		} else {
			require.ErrorIs(t, err, as)
		}
		require.Equal(t, before, spend(t, l), "a refusal records nothing")
	}
	refused(101, nil)
	a := begin(t, l, call("job", "a", 100), 100)
	refused(1, money.ErrNoRoom)
	begin(t, l, call("other", "a", 100), 100)
	settle(t, l, a, money.Answered, 60)
	refused(41, nil)
	begin(t, l, call("job", "b", 40), 100)
	begin(t, l, call("job", "free", 0), 100)
	refused(1, money.ErrNoRoom)
	begin(t, l, call("job", "c", 1), 0)
}

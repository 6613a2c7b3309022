package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// RunBudgets runs the tests of budgets, each with a store of its own whose clock can be moved.
func RunBudgets(t *testing.T, newStore func(t testing.TB) Store) {
	for name, test := range map[string]func(*testing.T, Store){
		"Scopes":       testScopes,
		"Periods":      testPeriods,
		"Changes":      testChanges,
		"Unpriced":     testUnpriced,
		"Soft":         testSoft,
		"Owed":         testOwed,
		"Concurrently": testBudgetsConcurrently,
		"RoomOfOthers": testRoomOfOthers,
		"BadBudgets":   testBadBudgets,
		"Batch":        testBatch,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newStore(t))
		})
	}
}

// Hard is a hard budget.
func Hard(s money.Scope, p money.Period, micro int64) money.Budget {
	return money.Budget{Scope: s, Period: p, MicroUSD: micro}
}

// by is a call of a tenant and a model.
func by(owner, model, fingerprint string, cost int64) video.Call {
	c := call("job", fingerprint, cost)
	c.Tenant, c.Model = tenant.ID(owner), model
	return c
}

func set(t testing.TB, l Ledger, all ...money.Budget) {
	t.Helper()
	for _, b := range all {
		require.NoError(t, l.SetBudget(t.Context(), b))
	}
}

// standing is a budget as the ledger lists it.
func standing(t testing.TB, l Ledger, b money.Budget) money.Standing {
	t.Helper()
	all, err := l.Budgets(t.Context())
	require.NoError(t, err)
	for _, s := range all {
		if s.Same(b) {
			return s
		}
	}
	require.Fail(t, "no such budget")
	return money.Standing{}
}

func used(t testing.TB, l Ledger, b money.Budget) []int64 {
	t.Helper()
	s := standing(t, l, b)
	return []int64{s.Settled, s.Reserved}
}

// blocked requires that a call is refused, and returns the budget that blocks it.
func blocked(t testing.TB, l Ledger, c video.Call) money.Blocked {
	t.Helper()
	before, err := l.Budgets(t.Context())
	require.NoError(t, err)
	_, err = l.TryReserve(t.Context(), c, 0)
	by, ok := errors.AsType[*money.Blocked](err)
	require.True(t, ok, "%v", err)
	if by.InFlight {
		require.ErrorIs(t, err, money.ErrNoRoom)
		require.Equal(t, fault.Overload, fault.ClassOf(err))
	} else {
		require.Equal(t, fault.Budget, fault.ClassOf(err), "%v", err)
	}
	after, err := l.Budgets(t.Context())
	require.NoError(t, err)
	for i := range after {
		before[i].At = after[i].At
	}
	require.Equal(t, before, after, "a refusal records nothing")
	return *by
}

// testScopes: a call must fit all budgets that cover it, and no other.
func testScopes(t *testing.T, s Store) {
	l := s.open(t)
	org := Hard(money.Scope{Org: "uni"}, money.Month, 100)
	team := Hard(money.Scope{Tenant: "uni:a"}, money.Month, 60)
	model := Hard(money.Scope{Model: "m"}, money.Month, 90)
	both := Hard(money.Scope{Tenant: "uni:a", Model: "m"}, money.Month, 20)
	set(t, l, org, team, model, both)
	require.Equal(t, both, blocked(t, l, by("uni:a", "m", "1", 21)).Budget)
	settle(t, l, begin(t, l, by("uni:a", "m", "1", 20), 0), money.Answered, 20)
	require.Equal(t, both, blocked(t, l, by("uni:a", "m", "2", 1)).Budget)
	settle(t, l, begin(t, l, by("uni:a", "n", "2", 40), 0), money.Answered, 40)
	require.Equal(t, team, blocked(t, l, by("uni:a", "n", "3", 1)).Budget)
	settle(t, l, begin(t, l, by("uni", "m", "3", 39), 0), money.Answered, 39)
	require.Equal(t, org, blocked(t, l, by("uni:b", "n", "4", 2)).Budget)
	settle(t, l, begin(t, l, by("university", "m", "4", 31), 0), money.Answered, 31)
	require.Equal(t, model, blocked(t, l, by("other:a", "m", "5", 1)).Budget)
	begin(t, l, by("other:a", "n", "6", 1000), 0)
	for b, want := range map[money.Budget]int64{org: 99, team: 60, model: 90, both: 20} {
		require.Equal(t, []int64{want, 0}, used(t, l, b), "%s", b.Scope)
	}
}

// testPeriods: an entry belongs to the period in which it was reserved, and a budget begins
// again with its period.
func testPeriods(t *testing.T, s Store) {
	l := s.open(t)
	s.Jump(t, untilNextMonth(s.Now(t))-90*time.Minute)
	day, month, total := Hard(money.Scope{Tenant: "t"}, money.Day, 10), Hard(money.Scope{Tenant: "t"}, money.Month, 15), Hard(money.Scope{Tenant: "t"}, money.Total, 17)
	set(t, l, day, month, total)
	late := begin(t, l, by("t", "m", "late", 6), 0)
	settle(t, l, begin(t, l, by("t", "m", "1", 4), 0), money.Answered, 4)
	found := blocked(t, l, by("t", "m", "2", 1))
	require.Equal(t, day, found.Budget)
	require.True(t, found.InFlight)
	require.Equal(t, 90*time.Minute, found.Ends.Sub(s.Now(t)).Round(time.Minute))
	require.InDelta(t, 90*time.Minute/time.Millisecond, found.EndsInMS, 60_000)

	s.Jump(t, 2*time.Hour) // into the next month
	require.Equal(t, [][]int64{{0, 0}, {0, 0}, {4, 6}}, [][]int64{used(t, l, day), used(t, l, month), used(t, l, total)})
	settle(t, l, late, money.Answered, 5)
	require.Equal(t, [][]int64{{0, 0}, {0, 0}, {9, 0}}, [][]int64{used(t, l, day), used(t, l, month), used(t, l, total)})
	settle(t, l, begin(t, l, by("t", "m", "3", 8), 0), money.Answered, 8)
	found = blocked(t, l, by("t", "m", "4", 9))
	require.Equal(t, total, found.Budget, "of two that block, the one that lasts longer")
	require.True(t, found.Ends.IsZero() && found.EndsInMS == 0)
	require.Equal(t, [][]int64{{8, 0}, {8, 0}, {17, 0}}, [][]int64{used(t, l, day), used(t, l, month), used(t, l, total)})

	s.Jump(t, -2*time.Hour) // a clock that was wrong is corrected
	require.Equal(t, []int64{9, 0}, used(t, l, day))
}

// untilNextMonth is the time until a month has ended in UTC.
func untilNextMonth(now time.Time) time.Duration {
	_, end := money.Month.Bounds(now)
	return end.Sub(now)
}

// testChanges: every process sees a change at its next reservation, and what was spent before
// the budget was set counts.
func testChanges(t *testing.T, s Store) {
	l, other := s.open(t), s.open(t)
	settle(t, l, begin(t, l, by("t", "m", "1", 50), 0), money.Answered, 40)
	begin(t, l, by("t", "m", "2", 5), 0)
	b := Hard(money.Scope{Tenant: "t"}, money.Day, 45)
	set(t, other, b)
	require.Equal(t, []int64{40, 5}, used(t, l, b))
	require.True(t, blocked(t, l, by("t", "m", "3", 1)).InFlight)
	b.MicroUSD = 46 // raised
	set(t, other, b)
	begin(t, l, by("t", "m", "3", 1), 0)
	b.MicroUSD = 0 // lowered
	set(t, l, b)
	require.False(t, blocked(t, other, by("t", "m", "4", 1)).InFlight)
	begin(t, other, by("t", "m", "free", 0), 0)
	found, err := l.ClearBudget(t.Context(), b)
	require.NoError(t, err)
	require.True(t, found)
	begin(t, other, by("t", "m", "4", 1_000), 0)
	found, err = l.ClearBudget(t.Context(), b)
	require.NoError(t, err)
	require.False(t, found)
}

// testUnpriced: a call of unknown cost is refused under any hard budget that covers it.
func testUnpriced(t *testing.T, s Store) {
	l := s.open(t)
	unknown := by("t", "m", "1", 0)
	unknown.Unpriced = true
	begin(t, l, unknown, 0)
	unknown.Fingerprint = "2"
	b := Hard(money.Scope{Org: "t"}, money.Total, 1_000_000)
	set(t, l, Hard(money.Scope{Tenant: "another"}, money.Total, 5), Hard(money.Scope{Model: "n"}, money.Total, 5), b)
	found := blocked(t, l, unknown)
	require.True(t, found.Unpriced)
	require.Equal(t, b, found.Budget)
	begin(t, l, by("t", "m", "3", 1), 0)
}

// testSoft: a soft budget counts and blocks nothing, beside a hard one of the same scope.
func testSoft(t *testing.T, s Store) {
	l := s.open(t)
	hard := Hard(money.Scope{Tenant: "t"}, money.Day, 10)
	soft := money.Budget{Scope: hard.Scope, Period: money.Day, MicroUSD: 5, Soft: true}
	set(t, l, hard, soft)
	settle(t, l, begin(t, l, by("t", "m", "1", 10), 0), money.Answered, 10)
	require.Equal(t, hard, blocked(t, l, by("t", "m", "2", 1)).Budget)
	require.Equal(t, []int64{10, 0}, used(t, l, soft))
	unknown := by("other", "m", "3", 0)
	unknown.Unpriced = true
	set(t, l, money.Budget{Scope: money.Scope{Model: "m"}, Period: money.Total, Soft: true})
	begin(t, l, unknown, 0)
}

// testOwed: what is used already is booked whatever limits say.
func testOwed(t *testing.T, s Store) {
	l := s.open(t)
	b := Hard(money.Scope{Tenant: "t"}, money.Day, 10)
	set(t, l, b)
	c := by("t", "m", "1", 11)
	blocked(t, l, c)
	c.Owed = true
	settle(t, l, begin(t, l, c, 1), money.Answered, 11)
	require.Equal(t, []int64{11, 0}, used(t, l, b))
	require.Zero(t, standing(t, l, b).Left())
}

// testBudgetsConcurrently: processes and jobs of several tenants compete for the budget of
// their organisation, while others settle, and others change budgets that do not concern them.
func testBudgetsConcurrently(t *testing.T, s Store) {
	const limit, cost, calls = 1000, 7, 12
	org := Hard(money.Scope{Org: "uni"}, money.Month, limit)
	set(t, s.open(t), org, Hard(money.Scope{Model: "vlm"}, money.Day, 10*limit), Hard(money.Scope{Tenant: "uni:0", Model: "vlm"}, money.Total, 10*limit))
	var workers sync.WaitGroup
	var begun atomic.Int64
	for process := range 4 {
		l := s.open(t)
		for worker := range 6 {
			workers.Go(func() {
				for i := range calls {
					c := by(fmt.Sprint("uni:", worker%3), "vlm", fmt.Sprint(process, worker, i), cost)
					c.Job = fmt.Sprint("job", process, worker)
					r, err := l.TryReserve(t.Context(), c, 0)
					if fault.ClassOf(err) == fault.Budget || errors.Is(err, money.ErrNoRoom) {
						continue
					}
					if err != nil {
						t.Errorf("begin: %v", err)
						return
					}
					begun.Add(1)
					if i%2 == 0 {
						if _, err := l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: cost}); err != nil {
							t.Errorf("end: %v", err)
						}
					}
				}
			})
		}
		workers.Go(func() {
			for i := range calls {
				if err := l.SetBudget(t.Context(), Hard(money.Scope{Tenant: fmt.Sprint("other", process)}, money.Day, int64(i))); err != nil {
					t.Errorf("set: %v", err)
				}
			}
		})
	}
	workers.Wait()
	sum := standing(t, s.open(t), org)
	require.EqualValues(t, limit/cost, begun.Load(), "the budget is used up and never exceeded")
	require.EqualValues(t, limit/cost*cost, sum.Settled+sum.Reserved)
}

// testRoomOfOthers: a reservation does not wait in its activity for a budget that another job
// holds for long.
func testRoomOfOthers(t *testing.T, s Store) {
	l := s.open(t)
	b := Hard(money.Scope{Tenant: "t"}, money.Day, 10)
	set(t, l, b)
	held := begin(t, l, by("t", "m", "1", 10), 0)
	done := make(chan error, 1)
	go func() {
		_, err := l.Reserve(t.Context(), by("t", "m", "2", 5), 0)
		done <- err
	}()
	settle(t, l, held, money.Answered, 5)
	require.NoError(t, <-done, "it settled for less")
}

func testBadBudgets(t *testing.T, s Store) {
	l := s.open(t)
	for name, b := range map[string]money.Budget{
		"no scope":   Hard(money.Scope{}, money.Day, 1),
		"two owners": Hard(money.Scope{Org: "a", Tenant: "a:b"}, money.Day, 1),
		"org":        Hard(money.Scope{Org: "a:b"}, money.Day, 1),
		"period":     Hard(money.Scope{Tenant: "a"}, "week", 1),
		"amount":     Hard(money.Scope{Tenant: "a"}, money.Day, -1),
		"NUL":        Hard(money.Scope{Model: "a\x00b"}, money.Day, 1),
	} {
		require.Equal(t, fault.Input, fault.ClassOf(l.SetBudget(t.Context(), b)), name)
		_, err := l.ClearBudget(t.Context(), b)
		require.Equal(t, fault.Input, fault.ClassOf(err), name)
	}
	all, err := l.Budgets(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

// testBatch: reservations and settlements that share a transaction see each other.
func testBatch(t *testing.T, s Store) {
	l := s.open(t)
	b := Hard(money.Scope{Tenant: "t"}, money.Day, 100)
	set(t, l, b)
	for round := range 10 {
		var all sync.WaitGroup
		var made atomic.Int64
		for i := range 40 {
			all.Go(func() {
				r, err := l.TryReserve(t.Context(), by("t", "m", fmt.Sprint(round, "/", i), 5), 0)
				switch {
				case err == nil:
					made.Add(1)
					if _, err := l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Released, MicroUSD: 0}); err != nil {
						t.Errorf("end: %v", err)
					}
				case !errors.Is(err, money.ErrNoRoom):
					t.Errorf("begin: %v", err)
				}
			})
		}
		all.Wait()
		require.GreaterOrEqual(t, made.Load(), int64(20))
		require.Equal(t, []int64{0, 0}, used(t, l, b))
	}
}

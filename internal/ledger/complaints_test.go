package ledger

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger/ledgertest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// The tests of this file are named after complaints of users of other systems about money, by
// their numbers in the list of complaints that cogflow makes impossible. Each runs on both
// databases.

func onBoth(t *testing.T, test func(t *testing.T, s ledgertest.Store)) {
	t.Helper()
	for name, newStore := range map[string]func(testing.TB) ledgertest.Store{"SQLite": newFile, "PostgreSQL": movedStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newStore(t))
		})
	}
}

// buyer makes calls of a tenant.
type buyer struct {
	t      *testing.T
	l      ledgertest.Ledger
	tenant string
	serial *int
}

func newBuyer(t *testing.T, s ledgertest.Store) buyer {
	l, _ := s.Open(t)
	return buyer{t, l, "t", new(int)}
}

func (b buyer) call(micro int64) video.Call {
	*b.serial++
	c := call(fmt.Sprint(b.tenant, *b.serial), micro)
	c.Tenant = tenant.ID(b.tenant)
	return c
}

func (b buyer) limit(p money.Period, micro int64) {
	b.t.Helper()
	budget := ledgertest.Hard(money.Scope{Tenant: b.tenant}, p, micro)
	require.NoError(b.t, b.l.SetBudget(b.t.Context(), budget))
}

func (b buyer) reserve(micro int64) string {
	b.t.Helper()
	r, err := b.l.TryReserve(b.t.Context(), b.call(micro), 0)
	require.NoError(b.t, err)
	return r.Key
}

func (b buyer) buy(reserved, paid int64) {
	b.t.Helper()
	b.settle(b.reserve(reserved), money.Answered, paid)
}

func (b buyer) settle(key string, o money.Outcome, paid int64) {
	b.t.Helper()
	_, err := b.l.Settle(b.t.Context(), key, money.Booking{Outcome: o, MicroUSD: paid})
	require.NoError(b.t, err)
}

// refused requires that a call is refused because the budget is spent.
func (b buyer) refused() {
	b.t.Helper()
	_, err := b.l.TryReserve(b.t.Context(), b.call(1), 0)
	require.Equal(b.t, fault.Budget, fault.ClassOf(err), "%v", err)
}

func (b buyer) used() (settled, reserved int64) {
	b.t.Helper()
	all, err := b.l.Budgets(b.t.Context())
	require.NoError(b.t, err)
	require.Len(b.t, all, 1)
	return all[0].Settled, all[0].Reserved
}

// TestComplaint01SpendAboveBudget: spend of 99 under a budget of 30 was still served.
func TestComplaint01SpendAboveBudget(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Month, 30)
		for range 3 {
			b.buy(10, 10)
		}
		b.refused()
		other := newBuyer(t, s) // nothing is cached in a process
		*other.serial = 100
		other.refused()
	})
}

// TestComplaint02ParallelRequests: parallel requests all passed one check.
func TestComplaint02ParallelRequests(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Day, 50)
		processes := []buyer{b, newBuyer(t, s), newBuyer(t, s)}
		start := make(chan struct{})
		var all sync.WaitGroup
		made := make(chan string, 100)
		for i := range 60 {
			c, l := b.call(10), processes[i%3].l
			all.Go(func() {
				<-start
				r, err := l.TryReserve(t.Context(), c, 0)
				if err == nil {
					made <- r.Key
				} else if !errors.Is(err, money.ErrNoRoom) {
					t.Errorf("begin: %v", err)
				}
			})
		}
		close(start)
		all.Wait()
		require.Len(t, made, 5)
	})
}

// TestComplaint03ResetsEraseSpend: resets that ran at once erased new spend. There is no reset:
// each period has its own sum.
func TestComplaint03ResetsEraseSpend(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Day, 100)
		across := b.reserve(20)
		s.Jump(t, 24*time.Hour)
		var all sync.WaitGroup
		for i := range 4 {
			p := newBuyer(t, s)
			*p.serial = 100 * (i + 1)
			c := p.call(5)
			all.Go(func() { // each process sees the new period for the first time
				r, err := p.l.TryReserve(t.Context(), c, 0)
				if err == nil {
					_, err = p.l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 5})
				}
				if err != nil {
					t.Errorf("call: %v", err)
				}
			})
		}
		all.Wait()
		b.settle(across, money.Answered, 20) // of yesterday
		settled, reserved := b.used()
		require.Equal(t, []int64{20, 0}, []int64{settled, reserved}, "4 × 5 of today")
		s.Jump(t, -24*time.Hour)
		settled, _ = b.used()
		require.EqualValues(t, 20, settled, "yesterday")
	})
}

// TestComplaint04InflatedCounter: a counter went up with failures and retries, and calls were
// refused although there was money.
func TestComplaint04InflatedCounter(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Total, 10)
		for range 30 {
			for _, o := range []money.Outcome{money.Released, money.Refused} {
				b.settle(b.reserve(10), o, 0)
			}
		}
		settled, reserved := b.used()
		require.Zero(t, settled+reserved)
		b.buy(10, 10)
	})
}

// TestComplaint05RefusedAfterReset: calls were refused for days after a reset.
func TestComplaint05RefusedAfterReset(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Month, 10)
		b.buy(10, 10)
		b.refused()
		_, err := b.l.TryReserve(t.Context(), b.call(1), 0)
		by, ok := errors.AsType[*money.Blocked](err)
		require.True(t, ok)
		wait := time.Duration(by.EndsInMS) * time.Millisecond
		s.Jump(t, wait-time.Minute)
		b.refused()
		s.Jump(t, time.Minute+time.Second)
		b.buy(10, 10)
	})
}

// TestComplaint06CountedTwice: one call was counted twice.
func TestComplaint06CountedTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b, other := newBuyer(t, s), newBuyer(t, s)
		b.limit(money.Day, 100)
		key := b.reserve(10)
		b.settle(key, money.Answered, 7)
		other.settle(key, money.Answered, 7)
		b.settle(key, money.Answered, 9)
		settled, reserved := b.used()
		require.Equal(t, []int64{7, 0}, []int64{settled, reserved})
	})
}

// TestComplaint07DuplicatedRows: a retry after a lost answer made a second row.
func TestComplaint07DuplicatedRows(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b, other := newBuyer(t, s), newBuyer(t, s)
		b.limit(money.Day, 10)
		c := b.call(10)
		c.Attempt = 1
		for range 2 {
			for _, l := range []ledgertest.Ledger{b.l, other.l} {
				_, err := l.TryReserve(t.Context(), c, 0)
				require.NoError(t, err, "it fits the budget once only")
			}
		}
		_, reserved := b.used()
		require.EqualValues(t, 10, reserved)
	})
}

// TestComplaint08DroppedRow: a row was dropped without an error when its owner ended. What a
// killed process had reserved counts until it is known better.
func TestComplaint08DroppedRow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Total, 10)
		l, kill := s.Open(t)
		r, err := l.TryReserve(t.Context(), b.call(10), 0)
		require.NoError(t, err)
		kill()
		s.Jump(t, time.Hour)
		settled, reserved := b.used()
		require.Equal(t, []int64{10, 0}, []int64{settled, reserved}, "lost, at its reservation")
		b.refused()
		b.settle(r.Key, money.Answered, 4)
		settled, _ = b.used()
		require.EqualValues(t, 4, settled)
		b.buy(6, 6)
	})
}

// TestComplaint09UnknownPrice: a model without a price was logged at a hundredth of its cost.
// Under a hard budget it is not called.
func TestComplaint09UnknownPrice(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Total, 1_000_000)
		c := b.call(0)
		c.Unpriced = true
		_, err := b.l.TryReserve(t.Context(), c, 0)
		require.Equal(t, fault.Budget, fault.ClassOf(err))
		require.ErrorContains(t, err, "its price is not known")
	})
}

// TestComplaint11ZeroBudget: a budget of 0 blocked nothing.
func TestComplaint11ZeroBudget(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Month, 0)
		b.refused()
	})
}

// TestComplaint12FreeModels: a budget that was spent blocked models that cost nothing.
func TestComplaint12FreeModels(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Month, 5)
		b.buy(5, 5)
		b.refused()
		b.buy(0, 0)
	})
}

// TestComplaint20QuotaOfEvictedWork: work was evicted, and its quota was never released.
func TestComplaint20QuotaOfEvictedWork(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b := newBuyer(t, s)
		b.limit(money.Total, 100)
		for range 3 {
			l, kill := s.Open(t)
			for range 5 {
				_, err := l.TryReserve(t.Context(), b.call(2), 0)
				require.NoError(t, err)
			}
			kill()
			s.Jump(t, time.Minute)
		}
		settled, reserved := b.used()
		require.Equal(t, []int64{30, 0}, []int64{settled, reserved})
	})
}

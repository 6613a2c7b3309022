package ledger

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/ledger/ledgertest"
	"github.com/cogniverse/cogflow/money"
)

// checker is what a process does that tells of budgets.
type checker struct {
	t *testing.T
	l *Ledger
}

func newChecker(t *testing.T, s ledgertest.Store) checker {
	t.Helper()
	l, _ := s.Open(t)
	return checker{t, l.(*Ledger)}
}

func (c checker) check() {
	c.t.Helper()
	_, err := c.l.CheckBudgets(c.t.Context(), []int{80, 100})
	require.NoError(c.t, err)
}

// take takes all alerts that are due, as percents.
func (c checker) take() (percents []int) {
	c.t.Helper()
	for {
		d, found, err := c.l.TakeAlert(c.t.Context(), time.Minute)
		require.NoError(c.t, err)
		if !found {
			return percents
		}
		percents = append(percents, d.Percent)
	}
}

// TestAlertOnce: each threshold of a period makes one alert, whichever of several processes
// checks; a new period, and a new amount, make others.
func TestAlertOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b, one, other := newBuyer(t, s), newChecker(t, s), newChecker(t, s)
		b.limit(money.Day, 100)
		one.check()
		b.buy(79, 79)
		open := b.reserve(20)
		one.check()
		require.Empty(t, one.take(), "what is reserved may not be spent")
		b.settle(open, money.Answered, 2)
		var all sync.WaitGroup
		for range 4 {
			for _, c := range []checker{one, other} {
				all.Go(func() {
					if _, err := c.l.CheckBudgets(t.Context(), []int{80, 100}); err != nil {
						t.Errorf("check: %v", err)
					}
				})
			}
		}
		all.Wait()
		require.Equal(t, []int{80}, one.take())
		require.Empty(t, other.take())

		b.noRoom(20)
		b.noRoom(20)
		require.Equal(t, []int{100}, other.take(), "a refused call tells at once")
		require.Empty(t, one.take())

		s.Jump(t, 24*time.Hour)
		one.check()
		require.ElementsMatch(t, []int{80, 100}, one.take(), "the leases have ended, and nobody has told them")
		b.buy(100, 100)
		newChecker(t, s).check()
		require.ElementsMatch(t, []int{80, 100}, one.take(), "of the new day")
		b.limit(money.Day, 110)
		one.check()
		require.Equal(t, []int{80}, one.take(), "of the new amount")
		b.limit(money.Day, 100)
		newChecker(t, s).check()
		require.Empty(t, one.take(), "it is known")
	})
}

// noRoom requires that a call is refused for now or for good.
func (b buyer) noRoom(micro int64) {
	b.t.Helper()
	_, err := b.l.TryReserve(b.t.Context(), b.call(micro), 0)
	require.Error(b.t, err)
}

// TestAlertOfThePeriodBefore: a threshold that is passed just before a period ends is told.
func TestAlertOfThePeriodBefore(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b, c := newBuyer(t, s), newChecker(t, s)
		b.limit(money.Day, 100)
		c.check()
		b.buy(90, 90)
		yesterday := money.Day.Name(s.Now(t))
		s.Jump(t, 24*time.Hour)
		c.check()
		d, found, err := c.l.TakeAlert(t.Context(), time.Minute)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, []any{yesterday, 80, int64(90)}, []any{d.Name, d.Percent, d.Spent})
		require.Empty(t, c.take())
	})
}

// TestAlertDelivery: an alert that its process does not end is due again after its lease, with
// what was told; one that is ended is not.
func TestAlertDelivery(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s ledgertest.Store) {
		b, one, other := newBuyer(t, s), newChecker(t, s), newChecker(t, s)
		b.limit(money.Total, 10)
		b.buy(10, 10)
		b.refused() // before the first check: nobody was to be told
		require.Empty(t, one.take())
		one.check()
		require.ElementsMatch(t, []int{80, 100}, one.take())
		require.Empty(t, other.take(), "they are leased")
		s.Jump(t, 2*time.Minute)

		first, found, err := other.l.TakeAlert(t.Context(), time.Minute)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, 2, first.Attempts)
		second, _, err := other.l.TakeAlert(t.Context(), time.Minute)
		require.NoError(t, err)
		require.NoError(t, other.l.EndAlert(t.Context(), second))
		first.Told = "webhook"
		require.NoError(t, other.l.PutOffAlert(t.Context(), first, time.Hour))
		s.Jump(t, 30*time.Minute)
		require.Empty(t, one.take())
		s.Jump(t, 31*time.Minute)
		again, found, err := one.l.TakeAlert(t.Context(), time.Minute)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, []any{first.ID(), 3, "webhook"}, []any{again.ID(), again.Attempts, again.Told})
		require.Equal(t, "t", again.Tenant)
		s.Jump(t, 8*24*time.Hour)
		require.Empty(t, one.take(), "delivery is given up after a week")
		newChecker(t, s).check()
		require.Empty(t, one.take(), "a total is told once for ever")
	})
}

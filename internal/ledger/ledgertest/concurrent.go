package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

// testBudgetConcurrently lets eight processes compete for a budget.
func testBudgetConcurrently(t *testing.T, s Store) {
	const limit, cost, calls = 1000, 7, 12
	var workers sync.WaitGroup
	var begun atomic.Int64
	for process := range 8 {
		l := s.open(t)
		for worker := range 3 {
			workers.Go(func() {
				for i := range calls {
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
						if _, err := l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: cost}); err != nil {
							t.Errorf("end: %v", err)
						}
					}
				}
			})
		}
	}
	workers.Wait()
	sum := spend(t, s.open(t))
	require.EqualValues(t, limit/cost, sum.Calls, "the budget is used up and never exceeded")
	require.EqualValues(t, begun.Load(), sum.Calls)
	require.EqualValues(t, sum.Calls*cost, sum.CostMicroUSD+sum.Reserved)
}

// testRivalsConcurrently: of several processes that want the same call at the same time,
// exactly one gets it, whatever their jobs are.
func testRivalsConcurrently(t *testing.T, s Store) {
	var processes []Ledger
	for range 6 {
		processes = append(processes, s.open(t))
	}
	for round := range 20 {
		start := make(chan struct{})
		won := make(chan string, len(processes))
		var all sync.WaitGroup
		for i, l := range processes {
			all.Go(func() {
				<-start
				r, err := l.TryReserve(t.Context(), call(fmt.Sprint("job", i%2), fmt.Sprint(round), 1), 0)
				switch {
				case err == nil:
					won <- r.Key
				case !errors.Is(err, money.ErrElsewhere):
					t.Errorf("begin: %v", err)
				}
			})
		}
		close(start)
		all.Wait()
		require.Len(t, won, 1, "round %d", round)
	}
}

// testSettleConcurrently: an entry that several processes settle at once is booked once.
func testSettleConcurrently(t *testing.T, s Store) {
	processes := []Ledger{s.open(t), s.open(t), s.open(t), s.open(t)}
	for round := range 20 {
		key := begin(t, processes[0], call("job", fmt.Sprint(round), 9), 0)
		booked := make([]money.Booking, len(processes))
		var all sync.WaitGroup
		for i, l := range processes {
			all.Go(func() {
				var err error
				if booked[i], err = l.Settle(t.Context(), key, money.Booking{Outcome: money.Answered, MicroUSD: int64(i + 1)}); err != nil {
					t.Errorf("end: %v", err)
				}
			})
		}
		all.Wait()
		for _, b := range booked {
			require.Equal(t, booked[0], b, "all know the same booking")
		}
	}
	require.Equal(t, spend(t, processes[0]).CostMicroUSD, spent(t, processes[0], "job", ""), "the sum that is kept equals the sum of the entries")
}

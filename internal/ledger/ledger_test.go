package ledger

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/money"
)

var _ activities.Ledger = (*Ledger)(nil)

// BenchmarkBeginEnd measures the rate of calls, and what the ledger adds to each at 300
// calls/s: the reservation and the settlement.
func BenchmarkBeginEnd(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) []*Ledger{
		"SQLite":                 func(b *testing.B) []*Ledger { return []*Ledger{openNew(b)} },
		"PostgreSQL":             func(b *testing.B) []*Ledger { return []*Ledger{openShared1(b)} },
		"PostgreSQL/4_processes": openShared4,
	} {
		b.Run(name+"/most", func(b *testing.B) { most(b, open(b)[0]) })
		b.Run(name+"/300_per_second", func(b *testing.B) { paced(b, open(b)) })
	}
}

// paced begins a call every 1/300 s, whatever becomes of the earlier ones, by the processes
// in turn. All have one job with a budget.
func paced(b *testing.B, processes []*Ledger) {
	added := make([]time.Duration, b.N)
	var calls sync.WaitGroup
	tick := time.NewTicker(time.Second / 300)
	defer tick.Stop()
	for i := range b.N {
		<-tick.C
		l := processes[i%len(processes)]
		calls.Go(func() {
			start := time.Now()
			r, err := l.TryReserve(b.Context(), call(fmt.Sprint(i), 10), 1<<40)
			if err == nil {
				_, err = l.Settle(b.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 9})
			}
			if err != nil {
				b.Errorf("call: %v", err)
			}
			added[i] = time.Since(start)
		})
	}
	calls.Wait()
	slices.Sort(added)
	for _, q := range []int{50, 95, 99} {
		b.ReportMetric(float64(added[(len(added)-1)*q/100].Microseconds())/1000, fmt.Sprintf("p%d_ms", q))
	}
}

func most(b *testing.B, l *Ledger) {
	work := make(chan int)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for i := range work {
				r, err := l.TryReserve(b.Context(), call(fmt.Sprint(i), 10), 1<<40)
				if err == nil {
					_, err = l.Settle(b.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 9})
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

// TestDoubt: a reservation whose commit failed, as far as its caller knows, is released when
// the database can be written again.
func TestDoubt(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	r, err := l.TryReserve(t.Context(), call("a", 5), 0)
	require.NoError(t, err)
	l.doubtful[r.Key] = struct{}{} // the writer is idle
	next, err := l.TryReserve(t.Context(), call("a", 5), 5)
	require.NoError(t, err, "it holds no money")
	require.Equal(t, 2, next.Attempt)
	s := spend(t, l)
	require.Equal(t, []int64{1, 5, 0}, []int64{int64(s.Open), s.Reserved, s.CostMicroUSD})
	require.Empty(t, l.doubtful)
}

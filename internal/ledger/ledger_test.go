package ledger

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/money"
)

var _ activities.Ledger = (*Ledger)(nil)

func BenchmarkBeginEnd(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { benchmark(b, openNew(b)) })
}

func benchmark(b *testing.B, l *Ledger) {
	work := make(chan int)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for i := range work {
				r, err := l.TryReserve(b.Context(), call(fmt.Sprint(i), 10), 1<<40)
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

package lease_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/lease"
)

func take(t *testing.T, table *lease.Table, n int) (string, func()) {
	t.Helper()
	l, release, err := table.Lease(t.Context(), n)
	require.NoError(t, err)
	return l.Devices, release
}

func TestLease(t *testing.T) {
	t.Parallel()
	table := lease.New([]string{"GPU-a", "GPU-b", "GPU-c"})
	first, releaseFirst := take(t, table, 1)
	rest, releaseRest := take(t, table, 2)
	require.Equal(t, "GPU-a", first)
	require.Equal(t, "GPU-b,GPU-c", rest)
	require.Equal(t, 0, table.Free())
	releaseFirst()
	again, releaseAgain := take(t, table, 1)
	require.Equal(t, "GPU-a", again)
	releaseFirst() // again, while another activity holds the device
	require.Equal(t, 0, table.Free(), "a second release takes nothing from the next holder")
	releaseAgain()
	releaseRest()
	require.Equal(t, 3, table.Free())
}

func TestSlots(t *testing.T) {
	t.Parallel()
	table := lease.Slots(2)
	devices, release := take(t, table, 1)
	require.Empty(t, devices, "no GPU")
	require.Equal(t, 1, table.Free())
	release()
	require.Equal(t, 2, table.Total())
}

func TestImpossible(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		table *lease.Table
		n     int
	}{{lease.New([]string{"0", "1"}), 3}, {lease.New([]string{"0"}), 0}, {lease.New(nil), 1}, {lease.Slots(-1), 1}} {
		_, _, err := c.table.Lease(t.Context(), c.n)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := lease.Slots(1).Lease(ended, 1)
	require.ErrorIs(t, err, context.Canceled)
}

// TestOrder: who waits longest is served first, however much the others need.
func TestOrder(t *testing.T) {
	t.Parallel()
	table := lease.New([]string{"0", "1"})
	_, release := take(t, table, 1)
	var mu sync.Mutex
	var order []string
	var wg sync.WaitGroup
	wait := func(ctx context.Context, name string, n int) {
		before := table.Waiting()
		wg.Go(func() {
			_, release, err := table.Lease(ctx, n)
			if err != nil {
				return
			}
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
			release()
		})
		for table.Waiting() == before {
			runtime.Gosched()
		}
	}
	impatient, cancel := context.WithCancel(t.Context())
	wait(t.Context(), "both", 2)
	wait(impatient, "impatient", 2)
	wait(t.Context(), "one", 1)
	require.Equal(t, 1, table.Free(), "a device is free, but another activity has waited longer")
	cancel()
	for table.Waiting() == 3 {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	require.Equal(t, []string{"both", "one"}, order)
	require.Equal(t, 2, table.Free())
}

// TestWithdrawalServesTheNext: one device suffices for the second in the queue
// once the first, who needs two, gives up.
func TestWithdrawalServesTheNext(t *testing.T) {
	t.Parallel()
	table := lease.New([]string{"0", "1"})
	_, release := take(t, table, 1)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, _, err := table.Lease(ctx, 2)
		gaveUp <- err
	}()
	for table.Waiting() == 0 {
		runtime.Gosched()
	}
	got := make(chan string)
	go func() {
		l, release, err := table.Lease(t.Context(), 1)
		if err == nil {
			defer release()
		}
		got <- l.Devices
	}()
	for table.Waiting() == 1 {
		runtime.Gosched()
	}
	cancel()
	require.ErrorIs(t, <-gaveUp, context.Canceled)
	require.Equal(t, "1", <-got)
}

// TestNeverTwoHolders: many take, give back twice and give up at random; no
// device ever has two holders, and in the end all are free.
func TestNeverTwoHolders(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		total := 1 + random.IntN(5)
		devices := strings.Split("abcde", "")[:total]
		table := lease.New(devices)
		var mu sync.Mutex
		held := map[string]bool{}
		var wg sync.WaitGroup
		for range 16 {
			mine := rand.New(rand.NewPCG(random.Uint64(), 2))
			wg.Go(func() {
				for range 60 {
					one(t, table, mine, total, &mu, held)
				}
			})
		}
		wg.Wait()
		require.Equal(t, total, table.Free())
		require.Zero(t, table.Waiting())
	}
}

func one(t *testing.T, table *lease.Table, random *rand.Rand, total int, mu *sync.Mutex, held map[string]bool) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if random.IntN(3) == 0 {
		patience := random.IntN(50)
		go func() {
			for range patience {
				runtime.Gosched()
			}
			cancel()
		}()
	}
	n := 1 + random.IntN(total)
	l, release, err := table.Lease(ctx, n)
	if err != nil {
		if !strings.Contains(err.Error(), "canceled") {
			t.Error(err)
		}
		return
	}
	got := strings.Split(l.Devices, ",")
	mu.Lock()
	for _, d := range got {
		if held[d] {
			t.Errorf("%s has two holders", d)
		}
		held[d] = true
	}
	if len(held) > total || len(got) != n {
		t.Errorf("%d of %d held, asked for %d and got %q", len(held), total, n, l.Devices)
	}
	mu.Unlock()
	runtime.Gosched()
	mu.Lock()
	for _, d := range got {
		delete(held, d)
	}
	mu.Unlock()
	release()
	release()
}

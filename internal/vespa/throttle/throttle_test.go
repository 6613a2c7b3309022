package throttle

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is a fake clock.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

// TestThrottleClimbs simulates a server whose throughput rises up to 100 operations in
// flight: the target must approach 100.
func TestThrottleClimbs(t *testing.T) {
	t.Parallel()
	c := &clock{t: time.Unix(1, 0)}
	h := New(2, c.now)
	require.Equal(t, 4, h.limit())
	sum, n := 0, 0
	for i := range 200_000 {
		require.NoError(t, h.Acquire(t.Context()))
		c.t = c.t.Add(time.Second / time.Duration(100*min(h.limit(), 100)))
		h.Release(true)
		if i > 100_000 {
			sum, n = sum+h.limit(), n+1
		}
	}
	require.InDelta(t, 100, sum/n, 60, "in flight on average")
}

func TestThrottleHalves(t *testing.T) {
	t.Parallel()
	h := New(2, time.Now)
	h.target = 64
	for range 64 {
		require.NoError(t, h.Acquire(t.Context()))
	}
	h.Throttled()
	require.Equal(t, 32, h.limit())
	for range 64 {
		h.Release(true)
	}
	require.Equal(t, 38, h.limit(), "a tenth for each success")
	h.tenfold = 0
	require.Equal(t, 4, h.limit(), "never below two per connection")
}

func TestThrottleWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	h := New(1, time.Now)
	require.NoError(t, h.Acquire(t.Context()))
	require.NoError(t, h.Acquire(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, h.Acquire(ctx), context.Canceled)
	h.Release(true)
	require.NoError(t, h.Acquire(t.Context()))
}

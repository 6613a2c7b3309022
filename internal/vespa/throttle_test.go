package vespa

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
	h := newThrottle(2, c.now)
	require.Equal(t, 4, h.limit())
	sum, n := 0, 0
	for i := range 200_000 {
		require.NoError(t, h.acquire(t.Context()))
		c.t = c.t.Add(time.Second / time.Duration(100*min(h.limit(), 100)))
		h.release(true)
		if i > 100_000 {
			sum, n = sum+h.limit(), n+1
		}
	}
	require.InDelta(t, 100, sum/n, 60, "in flight on average")
}

func TestThrottleHalves(t *testing.T) {
	t.Parallel()
	h := newThrottle(2, time.Now)
	h.target = 64
	for range 64 {
		require.NoError(t, h.acquire(t.Context()))
	}
	h.throttled()
	require.Equal(t, 32, h.limit())
	for range 64 {
		h.release(true)
	}
	require.Equal(t, 38, h.limit(), "a tenth for each success")
	h.tenfold = 0
	require.Equal(t, 4, h.limit(), "never below two per connection")
}

func TestThrottleWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	h := newThrottle(1, time.Now)
	require.NoError(t, h.acquire(t.Context()))
	require.NoError(t, h.acquire(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, h.acquire(ctx), context.Canceled)
	h.release(true)
	require.NoError(t, h.acquire(t.Context()))
}

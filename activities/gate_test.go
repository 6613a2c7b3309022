package activities

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGateAdmitsByTicket(t *testing.T) {
	t.Parallel()
	g := gate{free: 1}
	require.NoError(t, g.enter(t.Context(), 0))
	var mu sync.Mutex
	var order []int64
	var wg sync.WaitGroup
	for i, ticket := range []int64{3, 1, 2, 1} {
		wg.Go(func() {
			if g.enter(t.Context(), ticket) == nil {
				mu.Lock()
				order = append(order, ticket)
				mu.Unlock()
				g.leave()
			}
		})
		require.Eventually(t, func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			return len(g.waiting.line) == i+1
		}, waitLimit, tick)
	}
	g.leave()
	wg.Wait()
	require.Equal(t, []int64{1, 1, 2, 3}, order)
	require.Equal(t, 1, g.free)
}

func TestGateForgetsWhoLeft(t *testing.T) {
	t.Parallel()
	g := gate{free: 1}
	require.NoError(t, g.enter(t.Context(), 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.enter(ctx, 1), context.Canceled)
	g.leave()
	require.Equal(t, 1, g.free, "the place is free again, not given to somebody who left")
	require.NoError(t, g.enter(t.Context(), 2))
}

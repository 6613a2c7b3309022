package activities

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGateAdmitsByTicket(t *testing.T) {
	t.Parallel()
	g := gate{size: 1}
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
	require.Zero(t, g.used)
}

func TestGateForgetsWhoLeft(t *testing.T) {
	t.Parallel()
	g := gate{size: 1}
	require.NoError(t, g.enter(t.Context(), 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.enter(ctx, 1), context.Canceled)
	g.leave()
	require.Zero(t, g.used, "the place is free again, not given to somebody who left")
	require.NoError(t, g.enter(t.Context(), 2))
}

func TestGateChangesSize(t *testing.T) {
	t.Parallel()
	g := gate{size: 2}
	require.NoError(t, g.enter(t.Context(), 0))
	require.NoError(t, g.enter(t.Context(), 0))
	g.resize(1)
	g.leave()
	ctx, cancel := context.WithCancel(t.Context())
	entered := make(chan error, 1)
	go func() { entered <- g.enter(ctx, 1) }()
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting.line) == 1
	}, waitLimit, tick, "one is in, and one place is left of two")
	g.resize(2)
	require.NoError(t, <-entered)
	cancel()
	g.leave()
	g.leave()
	require.Zero(t, g.used)
}

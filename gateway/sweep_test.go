package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSweeping: what has expired is removed soon after the start and every hour, also after a failure.
func TestSweeping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		out, began := &output{}, time.Now()
		var sweeps []time.Duration
		done := sweeping(ctx, "uploads", func(context.Context) (int, error) {
			sweeps = append(sweeps, time.Since(began))
			if len(sweeps) == 1 {
				return 0, errors.New("the store is down")
			}
			return 2, nil
		}, slog.New(slog.NewTextHandler(out, nil)))
		<-time.After(3 * time.Hour) // of the bubble
		stop()
		require.NoError(t, done())
		require.Equal(t, []time.Duration{firstSweep, firstSweep + sweepEvery, firstSweep + 2*sweepEvery}, sweeps)
		require.Contains(t, out.String(), "the store is down")
		require.Contains(t, out.String(), "objects=uploads removed=2")
	})
}

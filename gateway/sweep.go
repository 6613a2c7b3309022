package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/cogniverse/cogflow/panics"
)

// A gateway sweeps soon after its start, because it may never live for long.
const (
	firstSweep = time.Minute
	sweepEvery = time.Hour
)

// sweeping removes what has expired until ctx ends. The end is what done waits for. A store that does
// not answer is asked again: other requests report it, too.
func sweeping(ctx context.Context, what string, sweep func(context.Context) (removed int, err error), log *slog.Logger) (done func() error) {
	var work panics.Group
	work.Go(func() error {
		next := time.NewTimer(firstSweep)
		defer next.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-next.C:
			}
			switch removed, err := sweep(ctx); {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				log.Warn("expired objects could not be removed", "objects", what, "error", err, "next_attempt", sweepEvery)
			case removed > 0:
				log.Info("expired objects removed", "objects", what, "removed", removed)
			}
			next.Reset(sweepEvery)
		}
	})
	return work.Wait
}

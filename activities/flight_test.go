package activities

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

const (
	waitLimit = 10 * time.Second
	tick      = time.Millisecond
)

// waitingFor reports how many callers wait for a flight.
func (fs *flights) waitingFor(f video.Fingerprint) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if one := fs.by[f]; one != nil {
		return one.waiting
	}
	return 0
}

func TestFlightIsShared(t *testing.T) {
	t.Parallel()
	var fs flights
	land, calls := make(chan struct{}), make(chan struct{}, 9)
	call := func(context.Context) (outcome, error) { //nolint:unparam // the type of a call
		calls <- struct{}{}
		<-land
		return outcome{cost: 1}, nil
	}
	first, cancel := context.WithCancel(t.Context())
	results := make(chan outcome, 2)
	go func() { _, _ = fs.do(first, "f", call); results <- outcome{} }()
	go func() { c, _ := fs.do(t.Context(), "f", call); results <- c }()
	require.Eventually(t, func() bool { return fs.waitingFor("f") == 2 }, waitLimit, tick)
	cancel() // the attempt that was taken for dead
	require.Zero(t, <-results)
	close(land)
	require.Equal(t, outcome{cost: 1}, <-results, "the other still gets the answer")
	require.Len(t, calls, 1)
}

func TestFlightEndsWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	var fs flights
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = fs.do(ctx, "f", func(ctx context.Context) (outcome, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return outcome{}, ctx.Err()
		})
	}()
	require.Eventually(t, func() bool { return fs.waitingFor("f") == 1 }, waitLimit, tick)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	<-done
}

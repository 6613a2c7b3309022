package broker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// flight is the way of one call from the first who wants its answer to the last.
// Before a request is sent it ends when nobody waits any more; from then on it
// runs to its own end, or to the bound that the last one set.
//
// golang.org/x/sync/singleflight would do but for two things: its call runs under
// the context of whoever came first, and cannot be left.
type flight struct {
	*broker
	call  video.PaidCall
	place place
	ask   video.Ask // once it is prepared

	charged int // calls that were billed without a usable answer, as far as is known

	// wanted ends when nobody waits, or the worker stops: then nothing new begins.
	wanted context.Context //nolint:containedctx // lives as long as the flight
	unwant context.CancelCauseFunc
	// going ends when a call that has begun is cut.
	going context.Context //nolint:containedctx // likewise
	cut   context.CancelFunc
	// closing ends a moment later: an answer that came in time is stored.
	closing context.Context //nolint:containedctx // likewise
	finish  context.CancelFunc

	mu       sync.Mutex
	callers  map[*caller]struct{}
	asked    bool        // of the last try the endpoint was asked
	begun    bool        // a request is under way, or its answer is not stored and settled yet
	deadline *time.Timer // until it is cut

	done chan struct{}
	paid video.Paid // valid when done
	err  error
}

// closeFor is how long an answer may take to be stored when its call is cut.
const closeFor = 2 * time.Second

func newFlight(ctx context.Context, b *broker, c *caller) *flight {
	f := &flight{
		broker: b, call: c.PaidCall, place: place{string(c.Tenant) + "/" + c.Job + "/" + c.Kind, c.Ticket},
		callers: map[*caller]struct{}{c: {}}, done: make(chan struct{}),
	}
	detached := context.WithoutCancel(ctx)
	f.wanted, f.unwant = context.WithCancelCause(detached)
	f.going, f.cut = context.WithCancel(detached)
	f.closing, f.finish = context.WithCancel(detached)
	context.AfterFunc(f.going, func() { time.AfterFunc(closeFor, f.finish) })
	return f
}

// join counts a caller; false = nothing is under way, and nothing new begins.
func (f *flight) join(c *caller) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wanted.Err() != nil && !f.begun {
		return false
	}
	if f.deadline != nil {
		f.deadline.Stop()
		f.deadline = nil
	}
	f.callers[c] = struct{}{}
	return true
}

// leave counts a caller off, and takes the bound of the last one. It reports
// whether the flight ends soon.
func (f *flight) leave(c *caller, grace time.Duration, bounded bool) (soon bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.callers, c)
	if len(f.callers) > 0 {
		return false
	}
	f.unwant(errAbandoned)
	if bounded {
		f.deadline = time.AfterFunc(grace, f.cut)
	}
	return bounded || !f.begun
}

// begin marks that a request is about to be sent, or returns why none may be.
func (f *flight) begin() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.call.Stop:
		f.unwant(errStopping)
	default:
	}
	// A slot may come free at the moment in which the last caller ends.
	if !slices.ContainsFunc(slices.Collect(maps.Keys(f.callers)), func(c *caller) bool { return !c.gone() }) {
		f.unwant(errAbandoned)
	}
	if f.wanted.Err() != nil {
		return context.Cause(f.wanted)
	}
	f.begun = true
	return nil
}

// tries marks that a try begins, or that its request is sent.
func (f *flight) tries(asked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = asked
}

// own reports whether the flight failed for a reason that concerns only who began
// it: before its request, such as the frame's own object that is gone, or at a
// limit. Others who want the answer try for themselves.
func (f *flight) own() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err != nil && (!f.asked || fault.ClassOf(f.err) == fault.Budget)
}

// ended marks that the request is over and settled.
func (f *flight) ended() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun = false
}

// waits tells all callers what the flight waits for.
func (f *flight) waits(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.callers {
		if c.Waiting != nil {
			c.Waiting(reason)
		}
	}
}

// land wakes all callers.
func (f *flight) land() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deadline != nil {
		f.deadline.Stop()
	}
	f.unwant(nil)
	f.finish()
	f.cut()
	close(f.done)
}

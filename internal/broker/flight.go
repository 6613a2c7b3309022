package broker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/waits"
)

// flight is one call from its first to its last caller. Before a request is sent it ends
// when no caller waits; after that it runs to its own end, or to the limit that the last
// caller set.
//
// golang.org/x/sync/singleflight does not fit: its call runs under the context of the first
// caller, and callers cannot leave.
type flight struct {
	*broker
	call  video.PaidCall
	place place
	ask   video.Ask // set when it is prepared

	reserving atomic.Bool // the ledger is being asked

	charged int // calls billed without a usable answer, as far as is known

	// wanted ends when no caller waits, or the worker stops: then nothing new starts.
	wanted context.Context //nolint:containedctx // lives as long as the flight
	unwant context.CancelCauseFunc
	// going ends when a call in progress is cut.
	going context.Context //nolint:containedctx // likewise
	cut   context.CancelFunc
	// closing ends a moment later: an answer that came in time is stored.
	closing context.Context //nolint:containedctx // likewise
	finish  context.CancelFunc

	mu       sync.Mutex
	callers  map[*caller]struct{}
	asked    bool        // the last attempt reached the endpoint
	begun    bool        // a request is in progress, or its answer is not stored and settled yet
	deadline *time.Timer // until it is cut

	done chan struct{}
	paid video.Paid // valid when done
	err  error
}

// closeFor is how long storing an answer may take after its call was cut.
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

// join adds a caller; false = nothing is in progress, and nothing new starts.
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

// leave removes a caller, and takes the limit of the last one. It reports whether the
// flight ends soon.
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
	// A slot may become free at the moment in which the last caller leaves.
	if !slices.ContainsFunc(slices.Collect(maps.Keys(f.callers)), func(c *caller) bool { return !c.gone() }) {
		f.unwant(errAbandoned)
	}
	if f.wanted.Err() != nil {
		return context.Cause(f.wanted)
	}
	f.begun = true
	return nil
}

// tries marks that an attempt begins, or that its request is sent.
func (f *flight) tries(asked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = asked
}

// own reports whether the flight failed for a reason that concerns only its first caller:
// before its request, such as a missing input object, or at a budget limit. Other callers
// then try for themselves.
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
func (f *flight) waits(reason waits.Reason) {
	reason.On = f.call.Model
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

package upstream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// patience is how long a request waits for a server. The time of a server that took it does not
// count.
type patience struct {
	ctx   context.Context //nolint:containedctx // of the request
	queue time.Duration

	until time.Time // no server is asked a second time after it

	mu       sync.Mutex
	deadline time.Time // of the waits; later than until by the time of servers that took the request and failed
}

func newPatience(ctx context.Context, d time.Duration) *patience {
	until := time.Now().Add(d)
	return &patience{ctx: ctx, queue: d, until: until, deadline: until}
}

// turn begins the attempt at one of so many servers that are left. It may wait for an equal part of
// the time that is left: else one server that is full or hangs would leave none for the others.
func (p *patience) turn(servers int) *turn {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &turn{patience: p, left: max(0, time.Until(p.deadline)) / time.Duration(servers), since: time.Now()}
	t.ctx, t.cancel = context.WithCancelCause(p.ctx)
	t.timer = time.AfterFunc(t.left, t.over)
	return t
}

// sleep reports whether there is time for another attempt after d.
func (p *patience) sleep(d time.Duration) bool {
	if time.Until(p.until) < d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// turn is the wait for one server.
type turn struct {
	patience *patience
	ctx      context.Context //nolint:containedctx // of the attempt
	cancel   context.CancelCauseFunc
	timer    *time.Timer

	// Under the lock of patience.
	left  time.Duration
	since time.Time // when the server took the request, or the wait began
	ended bool
}

func (t *turn) over() {
	t.cancel(&lateError{&fault.Error{
		Class: fault.Overload, Op: "wait for a model server", RetryAfter: 10 * time.Second,
		Reason: "none took the request within " + t.patience.queue.String(),
	}})
}

// working stops the clock: a server has the request.
func (t *turn) working() {
	t.patience.mu.Lock()
	defer t.patience.mu.Unlock()
	t.timer.Stop()
	t.left, t.since = t.left-time.Since(t.since), time.Now()
}

// waiting starts it again.
func (t *turn) waiting() {
	t.patience.mu.Lock()
	defer t.patience.mu.Unlock()
	if t.ended {
		return
	}
	t.patience.deadline = t.patience.deadline.Add(time.Since(t.since))
	t.since = time.Now()
	t.timer.Reset(max(0, t.left))
}

func (t *turn) end() {
	t.patience.mu.Lock()
	defer t.patience.mu.Unlock()
	t.ended = true
	t.timer.Stop()
	t.cancel(nil)
}

// lateError ends a wait.
type lateError struct{ fault *fault.Error }

func (e *lateError) Error() string { return e.fault.Error() }

func (e *lateError) Unwrap() error { return e.fault }

// because adds what the servers answered while there was time.
func (e *lateError) because(err error) error {
	f := *e.fault
	f.Err = err
	return &f
}

func isLate(err error) bool {
	_, late := errors.AsType[*lateError](err)
	return late
}

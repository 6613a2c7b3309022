package activities

import (
	"context"
	"sync"

	"github.com/cogniverse/cogflow/video"
)

// flights makes sure that one process never has two calls for one fingerprint
// in flight. When Temporal takes an attempt for dead that is not (the server
// was away for longer than the heartbeat timeout), the next attempt joins the
// calls of the first instead of paying for them again.
//
// golang.org/x/sync/singleflight would do but for one thing: its call runs
// under the context of whoever came first. Here it runs until nobody waits.
type flights struct {
	mu sync.Mutex
	by map[video.Fingerprint]*flight
}

type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int
	result  outcome
	err     error
}

// do returns the result of call for f, which is running at most once at a time.
// call's context is cancelled when every caller's context is; the last caller
// then waits for call to end.
func (fs *flights) do(ctx context.Context, f video.Fingerprint, call func(context.Context) (outcome, error)) (outcome, error) {
	fs.mu.Lock()
	one := fs.by[f]
	if one == nil {
		one = fs.start(ctx, f, call)
	}
	one.waiting++
	fs.mu.Unlock()
	select {
	case <-one.done:
		return one.result, one.err
	case <-ctx.Done():
	}
	if fs.leave(f, one) {
		// The call ends before its activity does, and so before its worker.
		<-one.done
	}
	return outcome{}, ctx.Err()
}

// leave cancels the flight when nobody waits for it any more.
func (fs *flights) leave(f video.Fingerprint, one *flight) (last bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	one.waiting--
	if one.waiting > 0 {
		return false
	}
	one.cancel()
	if fs.by[f] == one {
		delete(fs.by, f) // who comes now starts afresh
	}
	return true
}

// start begins a flight; fs.mu is held.
func (fs *flights) start(ctx context.Context, f video.Fingerprint, call func(context.Context) (outcome, error)) *flight {
	detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
	one := &flight{done: make(chan struct{}), cancel: cancel}
	if fs.by == nil {
		fs.by = map[video.Fingerprint]*flight{}
	}
	fs.by[f] = one
	go func() {
		one.result, one.err = call(detached)
		cancel()
		fs.mu.Lock()
		if fs.by[f] == one {
			delete(fs.by, f)
		}
		fs.mu.Unlock()
		close(one.done)
	}()
	return one
}

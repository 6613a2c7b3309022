package vespa

import (
	"context"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// breaker watches a server that only fails. After grace without a success one
// operation at a time tries it; after doom operations fail at once, but one in
// each grace still tries.
type breaker struct {
	mu    sync.Mutex
	since time.Time // of the first failure after the last success
	tried time.Time
	probe chan struct{} // holds the right to try
	now   func() time.Time
}

const (
	breakerGrace = 10 * time.Second
	breakerDoom  = time.Minute
)

func newBreaker(now func() time.Time) *breaker {
	return &breaker{probe: make(chan struct{}, 1), now: now}
}

// enter waits for the right to send one operation; the caller calls leave.
func (b *breaker) enter(ctx context.Context) (leave func(), err error) {
	b.mu.Lock()
	failing, now := time.Duration(0), b.now()
	if !b.since.IsZero() {
		failing = now.Sub(b.since)
	}
	doomed := failing > breakerDoom && now.Sub(b.tried) < breakerGrace
	if failing > breakerDoom && !doomed {
		b.tried = now
	}
	b.mu.Unlock()
	switch {
	case doomed:
		return nil, &fault.Error{
			Class: fault.Transport, Op: "feed vespa", Reason: "no operation has succeeded for a minute", RetryAfter: breakerGrace,
		}
	case failing <= breakerGrace:
		return func() {}, nil
	}
	select {
	case b.probe <- struct{}{}:
		return func() { <-b.probe }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *breaker) success() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = time.Time{}
}

func (b *breaker) failure() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() {
		b.since = b.now()
	}
}

// Package circuit stops calls to a service that only fails. While it is down, one call at a
// time probes it and all others learn when to retry, so that a dead or half-open service is
// not overloaded and callers do not wait for a full timeout. It knows no protocol: adapters
// report how calls ended.
package circuit

import (
	"errors"
	"sync"
	"time"
)

// Options of a Breaker.
type Options struct {
	Failures int           // consecutive failures that open it; 0 = 1
	Grace    time.Duration // minimum time since the first of them
	Every    time.Duration // between probes at first, doubling; 0 = 1 s
	Most     time.Duration // maximum between probes, and of one probe; 0 = 10 s
	Now      func() time.Time
}

// ErrOpen marks a call that was not made.
var ErrOpen = errors.New("the service is down")

// ErrAway marks a call that something else answered in place of the service, such as a
// proxy that shows a page.
var ErrAway = errors.New("the service is away")

// Breaker watches one service. It is safe for concurrent use.
type Breaker struct {
	mu       sync.Mutex
	options  Options
	failures int           // since the last success
	since    time.Time     // of the first of them
	open     bool          //
	next     time.Time     // when the service may be probed
	between  time.Duration // time between probes
	trying   int           // number of the probe; the last one is in progress until it ends or next has passed
}

// Pass is the right to make one call, whose end the caller reports. The zero Pass is that
// of an ordinary call.
type Pass struct{ try int }

// Try reports whether the call probes a service that is down.
func (p Pass) Try() bool { return p.try != 0 }

// New makes a closed Breaker.
func New(o Options) *Breaker {
	if o.Failures <= 0 {
		o.Failures = 1
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.Most <= 0 {
		o.Most = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Breaker{options: o}
}

// Enter requests a call. A wait above 0 means no, and is the time to the next request.
func (b *Breaker) Enter() (p Pass, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return Pass{}, 0
	}
	now := b.options.Now()
	if d := b.next.Sub(now); d > 0 {
		// The probe in progress may end soon.
		return Pass{}, min(d, b.between)
	}
	b.trying++
	b.next = now.Add(b.options.Most) // a probe that never ends blocks other callers no longer than this
	return Pass{b.trying}, 0
}

// Succeed reports that the service answered.
func (b *Breaker) Succeed(Pass) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.open = 0, false
}

// Fail reports that it did not. Calls in progress when it went down change nothing; only a
// failed probe delays the next one.
func (b *Breaker) Fail(p Pass) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.options.Now()
	if b.failures == 0 {
		b.since = now
	}
	b.failures++
	switch {
	case b.open && p.try == b.trying && p.Try():
		b.between = min(2*b.between, b.options.Most)
		b.next = now.Add(b.between)
	case !b.open && b.failures >= b.options.Failures && now.Sub(b.since) >= b.options.Grace:
		b.open, b.between = true, b.options.Every
		b.next = now.Add(b.between)
	}
}

// Trip is Fail for a failure that is certain: it opens the breaker at once. While probes
// trip it as well, they are up to most apart.
func (b *Breaker) Trip(p Pass, most time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.options.Now()
	if b.failures == 0 {
		b.since = now
	}
	b.failures++
	switch {
	case !b.open:
		b.open, b.between = true, b.options.Every
	case p.try == b.trying && p.Try():
		b.between = min(2*b.between, max(most, b.options.Most))
	default:
		return
	}
	b.next = now.Add(b.between)
}

// Leave returns a pass without a result, for example when the caller has gone. If it was a
// probe, another caller may probe at once.
func (b *Breaker) Leave(p Pass) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open && p.try == b.trying && p.Try() {
		b.next = b.options.Now()
	}
}

// Down is how long the service has only failed; 0 while it answers.
func (b *Breaker) Down() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures == 0 {
		return 0
	}
	return b.options.Now().Sub(b.since)
}

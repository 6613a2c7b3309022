// Package circuit keeps callers away from a service that only fails. While it is
// down one call at a time tries it and all others are told when to come back, so
// that a dead or half-open service is not hammered and costs no caller the whole
// deadline of a call. It knows no protocol: an adapter tells it how calls ended.
package circuit

import (
	"errors"
	"sync"
	"time"
)

// Options of a Breaker.
type Options struct {
	Failures int           // one after another that open it; 0 = 1
	Grace    time.Duration // that must have passed since the first of them
	Every    time.Duration // between tries at first, doubling; 0 = 1 s
	Most     time.Duration // between tries, and what one may take; 0 = 10 s
	Now      func() time.Time
}

// ErrOpen marks a call that was not made.
var ErrOpen = errors.New("the service is down")

// ErrAway marks a call that something else answered in place of the service, such
// as a proxy that shows a page.
var ErrAway = errors.New("the service is away")

// Breaker watches one service. Its methods may be called at once.
type Breaker struct {
	mu       sync.Mutex
	options  Options
	failures int           // since the last success
	since    time.Time     // of the first of them
	open     bool          //
	next     time.Time     // when the service may be tried
	between  time.Duration // tries
	trying   int           // counts the tries; the last of them is under way until it ends or next has come
}

// Pass is the right to make one call, whose end the caller tells. The zero Pass
// is that of an ordinary call.
type Pass struct{ try int }

// Try reports whether the call is the one that tries a service which is down.
func (p Pass) Try() bool { return p.try != 0 }

// New makes a Breaker that is closed.
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

// Enter asks to make a call. A wait above 0 means no, and says when to ask again.
func (b *Breaker) Enter() (p Pass, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return Pass{}, 0
	}
	now := b.options.Now()
	if d := b.next.Sub(now); d > 0 {
		// Whoever is trying may be done at once: ask again soon.
		return Pass{}, min(d, b.between)
	}
	b.trying++
	b.next = now.Add(b.options.Most) // a try that never ends blocks nobody for longer
	return Pass{b.trying}, 0
}

// Succeed says that the service answered.
func (b *Breaker) Succeed(Pass) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.open = 0, false
}

// Fail says that it did not. Calls that were under way when it went down are no
// news; only a try puts off the next.
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

// Trip is Fail where one failure says enough: it opens the breaker at once. While
// tries trip it as well, they are up to most apart.
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

// Leave gives a pass back without news, as when the caller went away. If it was
// a try, somebody else may try at once.
func (b *Breaker) Leave(p Pass) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open && p.try == b.trying && p.Try() {
		b.next = b.options.Now()
	}
}

// Down is for how long the service has only failed; 0 while it answers.
func (b *Breaker) Down() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures == 0 {
		return 0
	}
	return b.options.Now().Sub(b.since)
}

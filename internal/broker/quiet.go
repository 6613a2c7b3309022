package broker

import (
	"errors"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video/waits"
)

// quiet pauses an endpoint that requests it. If one call is refused, only that call waits;
// when a second one is refused without an answer in between, the endpoint is overloaded,
// not only that call.
type quiet struct {
	mu      sync.Mutex
	refused string // fingerprint of the call that was refused since the last answer; "" = none
	until   time.Time
}

func (q *quiet) answered() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = ""
}

func (q *quiet) overloaded(fingerprint string, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if until := time.Now().Add(min(d, maxWait)); q.refused != "" && q.refused != fingerprint && until.After(q.until) {
		q.until = until
	}
	q.refused = fingerprint
}

// left is how long the endpoint is still paused.
func (q *quiet) left() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Until(q.until)
}

// up waits until the endpoint may be called. While it is down, one call at a time probes
// it.
func (f *flight) up() (circuit.Pass, error) {
	for {
		wait := f.quiet.left()
		reason := waits.For(waits.Rate, "the endpoint is overloaded and asked to wait", wait)
		var pass circuit.Pass
		if wait <= 0 {
			if pass, wait = f.circuit.Enter(); wait <= 0 {
				return pass, nil
			}
			reason = waits.For(waits.Endpoint, "the endpoint does not answer"+f.whyDown(), wait)
			reason.Since = time.Now().Add(-f.circuit.Down())
		}
		if f.call.Once {
			return pass, money.NeverSent(&fault.Error{Class: fault.Overload, Op: "call model", Subject: f.call.Model, Reason: reason.Text, RetryAfter: wait})
		}
		f.waits(reason)
		if err := sleep(f.wanted, wait); err != nil {
			return pass, err
		}
	}
}

// news records what the end of a call says about the endpoint.
func (f *flight) news(pass circuit.Pass, err error) {
	switch {
	case f.going.Err() != nil:
		f.circuit.Leave(pass)
	case errors.Is(err, circuit.ErrOpen):
		f.noteDown(err)
		f.circuit.Fail(pass)
	case errors.Is(err, circuit.ErrAway):
		// Whether it is billed is unknown, so few calls are used to find out when that
		// ends.
		f.noteDown(err)
		f.circuit.Trip(pass, pageWait)
	case money.Unsent(err):
		f.circuit.Leave(pass)
	default:
		f.circuit.Succeed(pass)
		if fault.ClassOf(err) != fault.Overload {
			f.quiet.answered()
		} else if d := fault.RetryAfter(err); d > 0 {
			f.quiet.overloaded(string(f.call.Fingerprint), d)
		}
	}
}

// noteDown keeps why the endpoint is down, for those who wait for it.
func (b *broker) noteDown(err error) {
	text := ": " + err.Error()
	b.down.Store(&text)
}

// whyDown is the last failure of the endpoint, to be added to a text.
func (b *broker) whyDown() string {
	if text := b.down.Load(); text != nil {
		return *text
	}
	return ""
}

package vespa

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/internal/vespa/throttle"
	"github.com/cogniverse/cogflow/panics"
)

// operation is one write of /document/v1.
type operation struct {
	op      string // its purpose, for errors
	method  string // POST puts, PUT updates, DELETE removes
	id      string
	path    string
	body    []byte
	subject string
}

// feeder writes documents as Vespa's feed client does: with as much concurrency as the
// server accepts, and one operation at a time for each document id.
type feeder struct {
	client   *client
	throttle *throttle.Throttle
	circuit  *circuit.Breaker
	attempts int
	pause    func(ctx context.Context, attempt int) error

	mu   sync.Mutex
	last map[string]chan struct{} // by document id: closed when its last operation has ended
}

const (
	maxAttempts = 10
	grace       = 10 * time.Second // time without a success after which one operation at a time tries the server
	doom        = time.Minute      // time after which the others fail as overload, so that their callers wait
)

func newFeeder(c *client) *feeder {
	return &feeder{
		client: c, throttle: throttle.New(len(c.conns), time.Now),
		circuit:  circuit.New(circuit.Options{Grace: grace, Most: grace}),
		attempts: maxAttempts, pause: backOff, last: map[string]chan struct{}{},
	}
}

// feed performs operations and returns the error of each, in their order.
// Operations on one document happen in the order given, over all calls.
func (f *feeder) feed(ctx context.Context, ops []operation) []error {
	errs := make([]error, len(ops))
	var running panics.Group
	for i, op := range ops {
		before, mine := f.enqueue(op.id)
		running.Go(func() error {
			defer f.leave(op.id, mine)
			if before != nil {
				<-before // it ends when ctx ends
			}
			errs[i] = panics.Try(func() error { return f.perform(ctx, op) })
			return nil
		})
	}
	if err := running.Wait(); err != nil {
		errs[0] = errors.Join(errs[0], err)
	}
	return errs
}

func (f *feeder) enqueue(id string) (before, mine chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, mine = f.last[id], make(chan struct{})
	f.last[id] = mine
	return before, mine
}

func (f *feeder) leave(id string, mine chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(mine)
	if f.last[id] == mine {
		delete(f.last, id)
	}
}

// perform sends one operation until it succeeds, is refused, or the time is over. Then it
// returns the last error, which says why it took so long.
func (f *feeder) perform(ctx context.Context, op operation) error {
	var last error
	for failures, waits := 0, 0; ; {
		again, err := f.attempt(ctx, op)
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return ctx.Err()
		case ctx.Err() != nil && err != nil && last != nil:
			return last
		case ctx.Err() != nil && err != nil:
			return fault.Wrap(fault.Transport, op.op, op.subject, err)
		case err == nil || !again:
			return err
		case throttled(err), errors.Is(err, circuit.ErrOpen):
			waits++
		default:
			if failures++; failures >= f.attempts {
				return err
			}
		}
		last = err
		if f.pause(ctx, failures+min(waits, 6)) != nil && errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		if ctx.Err() != nil {
			return last
		}
	}
}

func throttled(err error) bool {
	f, ok := errors.AsType[*statusError](err)
	return ok && f.status == http.StatusTooManyRequests
}

// statusError keeps the status of a response.
type statusError struct {
	status int
	error
}

func (e *statusError) Unwrap() error { return e.error }

// attempt sends an operation once; again says whether to retry.
func (f *feeder) attempt(ctx context.Context, op operation) (again bool, err error) {
	if err := f.throttle.Acquire(ctx); err != nil {
		return false, err
	}
	done := false
	defer func() { f.throttle.Release(done) }()
	pass, wait := f.circuit.Enter()
	if wait > 0 {
		down := f.circuit.Down()
		return down < doom, &fault.Error{
			Class: fault.Overload, Op: op.op, Subject: op.subject, RetryAfter: wait,
			Reason: "Vespa has accepted no operation for " + down.Round(time.Second).String(), Err: circuit.ErrOpen,
		}
	}
	a, err := f.client.do(ctx, op.method, op.path, op.body)
	if err == nil && a.status == http.StatusOK {
		err = checkEcho(a.body, op.id)
	}
	switch {
	case ctx.Err() != nil && err != nil:
		f.circuit.Leave(pass)
		return false, ctx.Err()
	case err != nil:
		f.circuit.Fail(pass)
		return true, fault.Wrap(fault.Transport, op.op, op.subject, err)
	case a.status == http.StatusTooManyRequests:
		f.circuit.Leave(pass)
		f.throttle.Throttled()
		return true, &statusError{a.status, a.fail(op.op, op.subject)}
	case a.status >= 500:
		f.circuit.Fail(pass)
		return a.status == http.StatusServiceUnavailable, &statusError{a.status, a.fail(op.op, op.subject)}
	}
	f.circuit.Succeed(pass)
	done = a.status == http.StatusOK
	if !done {
		return false, &statusError{a.status, a.fail(op.op, op.subject)}
	}
	return false, f.checkIgnored(ctx, a.header, op)
}

// checkEcho refuses a response that is truncated or about another document.
func checkEcho(body []byte, id string) error {
	var said struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return errors.New("the response is invalid JSON or truncated")
	}
	if said.ID != id {
		return errors.New("the response is about another document")
	}
	return nil
}

// checkIgnored refuses a write that Vespa stored only in part or not at all. It removes the
// stored part, so that no incomplete document is left.
func (f *feeder) checkIgnored(ctx context.Context, h http.Header, op operation) error {
	if h.Get("X-Vespa-Ignored-Operation") == "true" {
		return fault.New(fault.Input, op.op, op.subject, "Vespa's routing drops this document; check services.xml")
	}
	if h.Get("X-Vespa-Ignored-Fields") != "true" {
		return nil
	}
	a, err := f.client.do(ctx, http.MethodDelete, op.path, nil)
	switch {
	case err != nil:
		return fault.Wrap(fault.Transport, "remove an incomplete document", op.subject, err)
	case a.status != http.StatusOK:
		return a.fail("remove an incomplete document", op.subject)
	}
	return fault.New(fault.Input, op.op, op.subject,
		"the deployed schema lacks a field of this document, which was removed again; run cogflow vespa deploy")
}

// backOff waits 20 ms, doubling up to 5 s, with jitter.
func backOff(ctx context.Context, attempt int) error {
	wait := min(20*time.Millisecond<<min(attempt, 10), 5*time.Second)
	timer := time.NewTimer(wait/2 + rand.N(wait/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

package modelserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
)

// server is one server. Either it runs, or a start or a stop is in progress, or neither.
type server struct {
	Spec
	name string
	m    *Manager

	mu       sync.Mutex
	run      *running
	op       *op
	users    int
	idle     time.Time // since when it has no users
	failures int       // in a row
	retryAt  time.Time
	last     error     // of the last start
	changed  time.Time // when the state changed
	clock    phaseClock
}

// running is a server that is ready.
type running struct {
	process *process // nil = another process of this host owns it
	devices string   // that it has leased
	since   time.Time
	release func() // of its lease and its locks
}

// op is a start or a stop in progress.
type op struct {
	state  State
	ctx    context.Context //nolint:containedctx // lives as long as the operation
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid when done

	mu      sync.Mutex
	text    func() string // what it does
	booting time.Time     // since when the server boots; zero = it does not
	waiting int           // callers
	granted bool          // all of them are users of the server
	cut     int           // requests in progress when it stopped the server
}

func (o *op) says(text func() string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = text
}

func (o *op) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text()
}

// begin runs an operation in the background; s.mu is held.
func (s *server) begin(state State, do func(o *op) error) {
	o := &op{state: state, done: make(chan struct{}), text: func() string { return string(state) + " model server " + s.name }}
	o.ctx, o.cancel = context.WithCancel(s.m.ended)
	s.op, s.changed = o, s.m.o.Now()
	panics.Go(func() error { return do(o) }, func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.op == o {
			s.op, s.changed = nil, s.m.o.Now()
		}
		o.err = err
		o.cancel()
		close(o.done)
	})
}

// enter counts a user of a server that is ready, or returns the operation to wait for.
func (s *server) enter() (release func(), wait *op, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m.ended.Err() != nil {
		return nil, nil, fault.New(fault.Preempted, "start model server", s.name, "the worker is stopping")
	}
	if s.run != nil && s.run.process == nil && !s.stopping() {
		if err := s.stillOwned(); err != nil {
			return nil, nil, err
		}
	}
	if s.run != nil && !s.stopping() {
		s.users++
		s.count(busy)
		return sync.OnceFunc(s.exit), nil, nil
	}
	if s.op == nil {
		s.begin(Starting, s.start)
	}
	s.op.mu.Lock()
	defer s.op.mu.Unlock()
	s.op.waiting++
	return nil, s.op, nil
}

func (s *server) exit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaves()
}

func (s *server) leaves() {
	if s.users--; s.users == 0 {
		s.idle = s.m.o.Now()
		s.count(idle)
	}
}

// stopping reports whether an operation stops the server; s.mu is held.
func (s *server) stopping() bool { return s.op != nil && s.op.state == Stopping }

// errAbandoned ends a start that no caller waits for.
var errAbandoned = errors.New("no request waits for the model server any more")

// await waits for the end of an operation. release is nil if the caller has to ask again. A start
// that still waits for something ends with the last caller; one that has started the server
// goes on, because the next caller needs it.
func (s *server) await(ctx context.Context, o *op, waits func(string)) (release func(), err error) {
	tell := time.NewTicker(time.Second)
	defer tell.Stop()
	for {
		waits(o.String())
		select {
		case <-o.done:
			if o.granted {
				return sync.OnceFunc(s.exit), nil
			}
			if errors.Is(o.err, errAbandoned) {
				return nil, nil
			}
			return nil, o.err
		case <-tell.C:
		case <-ctx.Done():
			s.withdraw(o)
			return nil, context.Cause(ctx)
		}
	}
}

// withdraw ends the wait of one caller.
func (s *server) withdraw(o *op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.granted {
		s.leaves()
		return
	}
	if o.waiting--; o.waiting == 0 && o.booting.IsZero() && o.state == Starting {
		o.cancel()
	}
}

// start starts the server, or finds it started by another process of this host.
func (s *server) start(o *op) error {
	run, err := s.starting(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if o.ctx.Err() != nil { // no caller waits for it
			return errAbandoned
		}
		s.fail(err)
		return err
	}
	s.run, s.idle, s.last = run, s.m.o.Now(), nil
	o.mu.Lock()
	defer o.mu.Unlock()
	s.users, o.granted = s.users+o.waiting, true // before anything can stop it
	s.count(busy)
	if s.users == 0 {
		s.count(idle)
	}
	if run.process != nil {
		panics.Go(func() error { <-run.process.done; return nil }, func(error) { s.died(run) })
	}
	return nil
}

// fail sets when the next start may begin; s.mu is held.
func (s *server) fail(err error) {
	s.failures++
	s.clock.usage.Failed++
	s.changed = s.m.o.Now()
	s.last, s.retryAt = err, s.m.o.Now().Add(s.m.o.Backoff(s.failures))
}

// aliveAfter is how long a server has to run until its end counts as the first in a row.
const aliveAfter = time.Minute

// died is called when the process of a server has ended.
func (s *server) died(run *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != run {
		return // it was stopped
	}
	s.count(off)
	s.run = nil
	run.release()
	if s.m.o.Now().Sub(run.since) > aliveAfter {
		s.failures = 0
	}
	s.fail(run.process.fault("run model server", s.name))
}

// look says since when the server is idle, and whether its GPUs are wanted. It stops one
// that was idle for long enough.
func (s *server) look() (since time.Time, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil || s.users > 0 || s.stopping() {
		return time.Time{}, false
	}
	if s.run.process == nil {
		s.forget()
		return time.Time{}, false
	}
	if used, err := s.m.o.Locks.Wanted(s.lock()); used || err != nil {
		s.idle = s.m.o.Now() // by another process; a fault of the locks is reported by the next start
		s.count(busy)
		return time.Time{}, false
	}
	s.count(idle)
	if s.m.o.Now().Sub(s.idle) >= s.Scaledown {
		s.stop()
		return time.Time{}, false
	}
	if s.run.devices == "" {
		return time.Time{}, false
	}
	wanted, err := s.m.o.GPUs.Wanted(s.run.devices)
	return s.idle, wanted || err != nil // likewise
}

// leave stops the server unless it is in use.
func (s *server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil && s.users == 0 && !s.stopping() {
		s.stop()
	}
}

// stop ends the process; s.mu is held.
func (s *server) stop() {
	run := s.run
	s.run, s.failures = nil, 0
	s.begin(Stopping, func(*op) error {
		s.end(run)
		return nil
	})
}

// end stops a process and gives back what the server has leased.
func (s *server) end(run *running) {
	run.process.stop(s.m.o.Grace)
	run.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(off)
}

// close waits for the end of the server.
func (s *server) close() {
	for {
		s.mu.Lock()
		switch {
		case s.run == nil || s.stopping():
		case s.run.process == nil:
			s.forget()
		default:
			s.stop()
		}
		o := s.op
		s.mu.Unlock()
		if o == nil {
			return
		}
		<-o.done
	}
}

func (s *server) idleSince() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle
}

// address is the host and port of the readiness URL, which the configuration has checked.
func (s *server) address() (host, port string) {
	u, err := url.Parse(s.Ready)
	if err != nil {
		return "", ""
	}
	if port = u.Port(); port == "" {
		port = "80"
	}
	return u.Hostname(), port
}

// lock is the name of the lock that the owner of the server holds, and that others want while
// they use it.
func (s *server) lock() string {
	_, port := s.address()
	return fmt.Sprintf("model-server-%s", port)
}

// bootLock is wanted by the owner until it lets requests through.
func (s *server) bootLock() string { return s.lock() + "-boot" }

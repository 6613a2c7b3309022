package modelserver

import (
	"maps"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// State is what a server does.
type State string

// The states of servers.
const (
	Stopped  State = "stopped"
	Starting State = "starting" // waits for a GPU, another process or the end of a backoff
	Booting  State = "booting"  // its process runs and is not ready
	Ready    State = "ready"
	Stopping State = "stopping"
	Failed   State = "failed" // the last start failed; the next use starts it again
)

// Status of a server, for people.
type Status struct {
	Name   string
	State  State
	Detail string // what it waits for
	Users  int    // requests in progress, in this process
	Shared bool   // another worker process of this host owns it
	Err    error  // why it failed; nil = it did not

	Since time.Time // of the state; an idle server: of its last request; zero = since the process began
	// Until is the end of the boot timeout, of the time without requests, or of the backoff; zero =
	// there is none.
	Until    time.Time
	Devices  string   // that it has leased
	SetAside []string // GPUs on which starts have failed, and which it avoids
}

func (s *server) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{Name: s.name, State: Stopped, Users: s.users, Since: s.changed}
	if s.GPUs > 0 {
		out.SetAside = s.m.devices.avoided()
	}
	switch {
	case s.run != nil && !s.stopping():
		out.State, out.Devices, out.Since = Ready, s.run.devices, s.run.since
		if s.run.process == nil {
			out.Shared, out.Detail = true, "of another worker process"
		} else if s.users == 0 {
			out.Since, out.Until = s.idle, s.idle.Add(s.Scaledown)
		}
	case s.op != nil:
		out.State, out.Detail = s.op.state, s.op.String()
		if began := s.op.began(); !began.IsZero() {
			out.State, out.Since, out.Until = Booting, began, began.Add(s.BootTimeout)
		}
	case s.last != nil:
		out.State, out.Err, out.Until = Failed, s.last, s.retryAt
	}
	return out
}

// began is when the boot of a start began; zero = it has not.
func (o *op) began() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.booting
}

// Usage is what a server has done since its worker process began.
type Usage struct {
	Starts int // of its process
	Failed int // starts that failed, and ends of the process while it served
	Boot   time.Duration
	Idle   time.Duration // while it was ready without a request in progress
}

// phase is how the time of a process is counted.
type phase int

const (
	off phase = iota
	boot
	idle
	busy
)

// phaseClock adds up the time of the phases.
type phaseClock struct {
	phase phase
	since time.Time
	usage Usage
}

// count ends a phase and begins another, which may be the same; s.mu is held. Of a server of
// another process nothing is counted.
func (s *server) count(next phase) {
	if s.run != nil && s.run.process == nil {
		next = off
	}
	now := s.m.o.Now()
	switch c := &s.clock; c.phase {
	case boot:
		c.usage.Boot += now.Sub(c.since)
	case idle:
		c.usage.Idle += now.Sub(c.since)
	case off, busy:
	}
	s.clock.phase, s.clock.since = next, now
}

// Usage is what a server of this process has done until now.
func (m *Manager) Usage(name string) Usage {
	s := m.servers[name]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(s.clock.phase)
	return s.clock.usage
}

// Report is all that is known of a server.
type Report struct {
	Status
	Usage
}

// Reports are the servers of this process.
func (m *Manager) Reports() (out []Report) {
	for _, name := range slices.Sorted(maps.Keys(m.servers)) {
		out = append(out, Report{m.Status(name), m.Usage(name)})
	}
	return out
}

// Release stops a server as soon as its requests in progress have ended, or when patience is
// over; cut is how many were then in progress. Requests that come meanwhile wait, and start it again. A server that
// is starting for a request is not stopped.
func (m *Manager) Release(name string, patience time.Duration) (cut int, err error) {
	s := m.servers[name]
	if s == nil {
		return 0, fault.New(fault.Input, releaseOp, name, "it is not configured")
	}
	for {
		s.mu.Lock()
		o := s.op
		switch {
		case o != nil && o.state == Starting:
			o.mu.Lock()
			waiting := o.waiting
			o.mu.Unlock()
			if waiting > 0 {
				s.mu.Unlock()
				return 0, fault.New(fault.Input, releaseOp, name, "it is starting, because requests wait for it; pause or cancel their jobs first")
			}
			o.cancel() // nothing waits for it any more
		case o == nil && s.run == nil:
			s.mu.Unlock()
			return 0, nil
		case o == nil:
			until := s.m.o.Now().Add(patience)
			s.begin(Stopping, func(o *op) error { return s.drain(o, until) })
			o = s.op
		}
		s.mu.Unlock()
		if <-o.done; o.state == Stopping {
			return o.cut, o.err
		}
	}
}

const releaseOp = "release model server"

// drain waits until nothing uses the server, at most until a time, and stops it. If another process owns
// it, drain only stops using it.
func (s *server) drain(o *op, until time.Time) error {
	for {
		s.mu.Lock()
		users, run := s.users, s.run
		if run == nil { // it died
			s.mu.Unlock()
			return nil
		}
		used := users > 0
		if !used && run.process != nil {
			var err error
			if used, err = s.m.o.Locks.Wanted(s.lock()); err != nil {
				s.mu.Unlock()
				return err
			}
		}
		if !used || !s.m.o.Now().Before(until) || o.ctx.Err() != nil {
			o.cut, s.run, s.failures = users, nil, 0
			s.mu.Unlock()
			if run.process == nil {
				run.release()
				return nil
			}
			s.end(run)
			return nil
		}
		s.mu.Unlock()
		o.says(func() string { return "draining model server " + s.name })
		_ = pause(o.ctx, pollEvery) // a worker that ends drains no longer
	}
}

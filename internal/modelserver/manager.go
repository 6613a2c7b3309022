// Package modelserver runs model servers on demand, as child processes: the first use starts a
// server, and it is stopped when it was idle for a while, or when its GPUs are wanted.
// All worker processes of a host share a server: one of them owns it. It knows no
// protocol of models, only a URL that answers when the server is ready.
package modelserver

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/panics"
)

// Spec is one server.
type Spec struct {
	Command     []string // program and arguments
	Env         []string // its whole environment, NAME=VALUE
	Missing     error    // why it cannot be started; nil = it can
	Ready       string   // URL on this host that answers with a status below 300 when it is ready
	GPUs        int      // that it leases; 0 = none
	GPUBytes    int64    // of the memory of each; 0 = all of it
	Scaledown   time.Duration
	BootTimeout time.Duration
	// Check is called when Ready answers, before the server is used. After a transport fault it is
	// called again until BootTimeout; any other ends the start. nil = no check.
	Check func(ctx context.Context) error
}

// GPUs are the GPUs of this host.
type GPUs interface {
	Lease(ctx context.Context, ask lease.Ask) (l lease.Lease, release func(), err error)
	// Wanted reports whether another holder waits for one of the devices.
	Wanted(devices string) (bool, error)
}

// Locks are shared by all processes of this host.
type Locks interface {
	Try(name string) (release func(), ok bool, err error)
	Want(name string) (release func(), err error)
	Wanted(name string) (bool, error)
}

// Options of New.
type Options struct {
	Servers map[string]Spec
	GPUs    GPUs
	Locks   Locks
	Logs    string        // folder for the output of servers
	Keeper  []string      // command that calls Keep with the arguments that follow
	Grace   time.Duration // from SIGTERM to SIGKILL; 0 = 8 s
	// Ask lets another process of this host start a server, and returns when it is ready. This
	// process starts none then, and its specs need only Ready, Check and Scaledown. nil = this
	// process starts servers.
	Ask func(ctx context.Context, name string) error

	Now     func() time.Time                 // nil = time.Now
	Ticks   <-chan time.Time                 // when idle servers are looked for; nil = every second
	Backoff func(failures int) time.Duration // nil = 2 s, doubling up to 5 min
}

// Manager runs the servers of this process.
type Manager struct {
	o       Options
	servers map[string]*server
	end     context.CancelFunc
	ended   context.Context //nolint:containedctx // lives as long as the manager
	loop    panics.Group
	devices devices
}

const (
	firstBackoff = 2 * time.Second
	maxBackoff   = 5 * time.Minute
	stopGrace    = 8 * time.Second
	lookEvery    = time.Second // for idle servers
)

// New makes a manager. It starts no server.
func New(o Options) *Manager {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Backoff == nil {
		o.Backoff = func(failures int) time.Duration { return min(firstBackoff<<min(failures-1, 10), maxBackoff) }
	}
	o.Grace = cmp.Or(o.Grace, stopGrace)
	m := &Manager{o: o, servers: map[string]*server{}, devices: devices{now: o.Now, failed: map[string]failed{}}}
	m.ended, m.end = context.WithCancel(context.Background())
	for name, spec := range o.Servers {
		m.servers[name] = &server{Spec: spec, name: name, m: m}
	}
	m.loop.Go(m.watch)
	return m
}

func (m *Manager) watch() error {
	ticks := m.o.Ticks
	if ticks == nil {
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case <-m.ended.Done():
			return nil
		case <-ticks:
			m.look()
		}
	}
}

// look stops servers that are idle for long enough. Of the idle servers whose GPUs are wanted
// it stops one at a time, the longest idle first: one may be enough.
func (m *Manager) look() {
	var wanted *server
	stopping := false
	for _, s := range m.servers {
		since, asked := s.look()
		stopping = stopping || !asked && s.status().State == Stopping
		if asked && (wanted == nil || since.Before(wanted.idleSince())) {
			wanted = s
		}
	}
	if wanted != nil && !stopping {
		wanted.leave()
	}
}

// Use starts a server unless it runs, waits until it is ready, and keeps it until release is
// called; calling it again is harmless. waits gets what it waits for, once a second, and ""
// after that.
func (m *Manager) Use(ctx context.Context, name string, waits func(reason string)) (release func(), err error) {
	s := m.servers[name]
	if s == nil {
		return nil, fault.New(fault.Input, "start model server", name, "it is not configured")
	}
	for {
		release, op, err := s.enter()
		if release != nil || err != nil {
			return release, err
		}
		release, err = s.await(ctx, op, waits)
		waits("")
		if release != nil || err != nil {
			return release, err
		}
	}
}

// Status is the state of a server.
func (m *Manager) Status(name string) Status { return m.servers[name].status() }

// Close stops all servers. Nothing may use one any more.
func (m *Manager) Close() error {
	m.end()
	err := m.loop.Wait()
	var group panics.Group
	for _, s := range m.servers {
		group.Go(func() error { s.close(); return nil })
	}
	return cmp.Or(group.Wait(), err)
}

// devices are GPUs on which starts have failed.
type devices struct {
	now    func() time.Time
	mu     sync.Mutex
	failed map[string]failed // by device
}

type failed struct {
	times int // in a row
	until time.Time
}

// A GPU is set aside for setAside after failedStarts in a row.
const (
	failedStarts = 2
	setAside     = 10 * time.Minute
)

func (d *devices) avoid(device string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now().Before(d.failed[device].until)
}

// avoided are the GPUs that are set aside now.
func (d *devices) avoided() (out []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for device, f := range d.failed {
		if d.now().Before(f.until) {
			out = append(out, device)
		}
	}
	slices.Sort(out)
	return out
}

// record counts the end of a start.
func (d *devices) record(names []string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, device := range names {
		f := failed{times: d.failed[device].times + 1}
		if f.times >= failedStarts {
			f.until = d.now().Add(setAside)
		}
		if d.failed[device] = f; ok {
			delete(d.failed, device)
		}
	}
}

// Package lease hands the GPUs of one host to the work of its worker processes: whole ones,
// instances in MIG mode, and shares of their memory. It knows nothing of what that work does.
package lease

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/procs"
)

// Table holds the leases of one process. Make one with OfHost, New or Slots and share it:
// every user of a device must lease it here.
type Table struct {
	devices []string   // by place; empty texts are slots without a device
	locks   Locks      // of the devices, shared with other processes
	host    *gpu.Host  // what the driver says; nil = it is not asked
	procs   procs.Host // the processes of this host

	mu    sync.Mutex
	held  [][]*hold // by place: the leases of this process
	queue []*waiter // those that wait, longest first
	marks []func()  // by place: this process shows other holders of the device that it waits
	facts facts
}

// Ask is what a lease is asked for.
type Ask struct {
	N     int                      // number of devices
	Bytes int64                    // of the memory of each device; 0 = the whole device
	Avoid func(device string) bool // devices that are not taken while others exist; nil = none
	Who   string                   // names the work to others that wait
	Says  func(reason string)      // gets why it waits, again and again; nil = nobody asks
}

// Lease is what a holder may use.
type Lease struct {
	Devices string // for CUDA_VISIBLE_DEVICES, "GPU-8f2a…,GPU-11c0…"; empty = no GPU
	Mark    string // for procs.Variable in the environment of its processes; empty = no GPU
}

// pollEvery is how often a wait looks for devices that other processes have released.
const pollEvery = 500 * time.Millisecond

const leaseOp = "lease devices"

// New makes a table of devices of this process alone, named as CUDA_VISIBLE_DEVICES names
// them.
func New(devices []string) *Table {
	return &Table{devices: slices.Clone(devices), held: make([][]*hold, len(devices))}
}

// Slots makes a table for a host without GPUs: n holders at a time.
func Slots(n int) *Table { return New(make([]string, max(n, 0))) }

// Total is how many devices or slots there are.
func (t *Table) Total() int { return len(t.devices) }

// Usable is how many of them are not set aside.
func (t *Table) Usable() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, device := range t.devices {
		if t.facts.aside(device) == "" {
			n++
		}
	}
	return n
}

// Free is how many of them this process has not leased now.
func (t *Table) Free() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, holds := range t.held {
		if len(holds) == 0 {
			n++
		}
	}
	return n
}

// Waiting is how many calls wait now.
func (t *Table) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue)
}

// Lease is Take of n whole devices.
func (t *Table) Lease(ctx context.Context, n int) (Lease, func(), error) {
	return t.Take(ctx, Ask{N: n, Who: "work"})
}

// Take waits until n devices have room and no earlier caller waits for them, and takes them. Call
// release when done; calling it again is harmless. The wait ends with the context. Others do not
// wait for a caller that avoids devices.
func (t *Table) Take(ctx context.Context, ask Ask) (Lease, func(), error) {
	if ask.N < 1 || ask.N > len(t.devices) {
		return Lease{}, nil, fault.New(fault.Input, leaseOp, fmt.Sprint(ask.N),
			fmt.Sprintf("this worker has %d; ask for 1 to %d, or use a pool with more", len(t.devices), len(t.devices)))
	}
	if err := t.look(ctx); err != nil {
		return Lease{}, nil, err
	}
	if err := cmp.Or(ctx.Err(), t.fits(ask)); err != nil {
		return Lease{}, nil, err
	}
	w := &waiter{
		Ask: ask, ready: make(chan struct{}),
		as: holder{Mark: rand.Text(), Who: ask.Who, Bytes: ask.Bytes, PID: os.Getpid(), Since: time.Now()},
	}
	t.mu.Lock()
	t.queue = append(t.queue, w)
	t.serve()
	t.mu.Unlock()
	if err := t.wait(ctx, w); err != nil {
		return Lease{}, nil, err
	}
	release := sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.giveBack(w)
	})
	l := Lease{Devices: t.names(w.places)}
	if l.Devices != "" {
		l.Mark = w.as.Mark
	}
	return l, release, nil
}

// fits reports a share that no device of this table has room for, whoever leaves.
func (t *Table) fits(ask Ask) error {
	if ask.Bytes == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.facts.err != nil {
		return nil // it may answer later
	}
	var largest int64
	for _, device := range t.devices {
		s, _ := t.facts.state(device)
		largest = max(largest, s.MemoryBytes)
	}
	switch {
	case largest == 0:
		return fault.New(fault.Input, leaseOp, gpu.Bytes(ask.Bytes), "the driver does not say how much memory its devices have; ask for a whole device")
	case ask.Bytes+reserve(largest) > largest:
		return fault.New(fault.Input, leaseOp, gpu.Bytes(ask.Bytes), "the largest device of this host has "+gpu.Bytes(largest)+
			", and a part of it is for the driver; ask for less, or for a whole device")
	}
	return nil
}

// Wanted reports whether another holder waits for a device: in this process for any, in another
// for one of a lease.
func (t *Table) Wanted(l Lease) (bool, error) {
	if t.Waiting() > 0 {
		return true, nil
	}
	for device := range strings.SplitSeq(l.Devices, ",") {
		if wanted, err := t.locks.Wanted(device); wanted || err != nil {
			return wanted, err
		}
	}
	return false, nil
}

// Mark is the mark of the lease of this process that has all of these devices; empty = none.
func (t *Table) Mark(devices string) string {
	first, _, _ := strings.Cut(devices, ",")
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.Index(t.devices, first)
	if first == "" || at < 0 || len(t.held[at]) != 1 || t.held[at][0].Bytes > 0 {
		return ""
	}
	return t.held[at][0].Mark
}

func (t *Table) names(places []int) string {
	var names []string
	for _, place := range places {
		if t.devices[place] != "" {
			names = append(names, t.devices[place])
		}
	}
	return strings.Join(names, ",")
}

// Package lease hands the GPUs of one host to the work of its worker processes, so
// that two activities never use the same one. It knows nothing of what they do.
package lease

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// Table holds the leases of one process. Make one with OfHost, New or Slots and share it:
// every user of a device must lease it here.
type Table struct {
	devices []string // by place; empty texts are slots without a device
	locks   Locks    // of the devices, shared with other processes

	mu    sync.Mutex
	taken []func()  // by place: releases the lock of the device; nil = this process has no lease of it
	queue []*waiter // those that wait, longest first
	marks []func()  // by place: this process shows other holders of the device that it waits
}

// waiter is one call that waits for n places.
type waiter struct {
	n      int
	avoid  func(device string) bool // devices that it does not take; nil = none
	places []int                    // what it got, set before ready is closed
	err    error                    // why it got none, set before ready is closed
	ready  chan struct{}            // closed when the wait has ended
}

// pollEvery is how often a wait looks for devices that other processes have released.
const pollEvery = 500 * time.Millisecond

// Lease is what a holder may use.
type Lease struct {
	Devices string // for CUDA_VISIBLE_DEVICES, "GPU-8f2a…,GPU-11c0…"; empty = no GPU
}

// New makes a table of devices of this process alone, named as CUDA_VISIBLE_DEVICES names
// them.
func New(devices []string) *Table {
	return &Table{devices: slices.Clone(devices), taken: make([]func(), len(devices))}
}

// Slots makes a table for a host without GPUs: n holders at a time.
func Slots(n int) *Table { return New(make([]string, max(n, 0))) }

// Total is how many devices or slots there are.
func (t *Table) Total() int { return len(t.devices) }

// Free is how many of them this process has not leased now.
func (t *Table) Free() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.free()
}

func (t *Table) free() (n int) {
	for _, release := range t.taken {
		if release == nil {
			n++
		}
	}
	return n
}

// Waiting is how many calls of Lease wait now.
func (t *Table) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue)
}

// Lease waits until n devices are free and no earlier caller waits, and takes them. Call
// release when done; calling it again is harmless. The wait ends with the context.
func (t *Table) Lease(ctx context.Context, n int) (Lease, func(), error) {
	return t.LeaseExcept(ctx, n, nil)
}

// LeaseExcept is Lease without the devices that avoid reports, as long as n others exist.
// Others do not wait for a caller that waits for such devices only.
func (t *Table) LeaseExcept(ctx context.Context, n int, avoid func(device string) bool) (Lease, func(), error) {
	if n < 1 || n > len(t.devices) {
		return Lease{}, nil, fault.New(fault.Input, "lease devices", fmt.Sprint(n),
			fmt.Sprintf("this worker has %d; ask for 1 to %d, or use a pool with more", len(t.devices), len(t.devices)))
	}
	if err := ctx.Err(); err != nil {
		return Lease{}, nil, err
	}
	w := &waiter{n: n, avoid: avoid, ready: make(chan struct{})}
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
		t.giveBack(w.places)
	})
	return Lease{Devices: t.names(w.places)}, release, nil
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

func (t *Table) wait(ctx context.Context, w *waiter) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-w.ready:
			return w.err
		case <-poll.C:
			t.mu.Lock()
			t.serve()
			t.mu.Unlock()
		case <-ctx.Done():
			t.withdraw(w)
			return ctx.Err()
		}
	}
}

// serve gives devices to waiters in order: one that waits for many is not overtaken by
// those of this process that need few, or it might wait for ever.
func (t *Table) serve() {
	for at := 0; at < len(t.queue); {
		w := t.queue[at]
		avoided := t.avoided(w)
		if w.places, w.err = t.lock(w.n, avoided); w.err == nil && len(w.places) < w.n {
			if !slices.Contains(avoided, true) {
				break
			}
			at++
			continue
		}
		t.queue = slices.Delete(t.queue, at, at+1)
		close(w.ready)
	}
	if err := t.mark(); err != nil && len(t.queue) > 0 {
		t.queue[0].err = err
		close(t.queue[0].ready)
		t.queue = t.queue[1:]
	}
}

// mark shows the holders in other processes whether this one waits.
func (t *Table) mark() (err error) {
	if len(t.queue) == 0 {
		for _, release := range t.marks {
			release()
		}
		t.marks = nil
		return nil
	}
	for len(t.marks) < len(t.devices) && err == nil {
		var release func()
		if release, err = t.locks.Want(t.devices[len(t.marks)]); err == nil {
			t.marks = append(t.marks, release)
		}
	}
	return err
}

// avoided says by place which devices a waiter does not take; nil = it takes all.
func (t *Table) avoided(w *waiter) []bool {
	if w.avoid == nil {
		return nil
	}
	out, left := make([]bool, len(t.devices)), len(t.devices)
	for place, device := range t.devices {
		if out[place] = w.avoid(device); out[place] {
			left--
		}
	}
	if left < w.n {
		return nil
	}
	return out
}

// lock takes n places, or none if other leases leave fewer.
func (t *Table) lock(n int, avoided []bool) (places []int, err error) {
	for place := range t.taken {
		if len(places) == n || err != nil {
			break
		}
		if t.taken[place] != nil || avoided != nil && avoided[place] {
			continue
		}
		var release func()
		var ok bool
		if release, ok, err = t.locks.Try(t.devices[place]); ok {
			t.taken[place] = release
			places = append(places, place)
		}
	}
	if len(places) == n && err == nil {
		return places, nil
	}
	t.unlock(places)
	return nil, err
}

// withdraw ends the wait of w, which may have been served at this moment.
func (t *Table) withdraw(w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = slices.DeleteFunc(t.queue, func(other *waiter) bool { return other == w })
	t.giveBack(w.places)
}

func (t *Table) giveBack(places []int) {
	t.unlock(places)
	t.serve()
}

func (t *Table) unlock(places []int) {
	for _, place := range places {
		t.taken[place]()
		t.taken[place] = nil
	}
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

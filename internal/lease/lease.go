// Package lease hands the GPUs of one host to the work of one worker process, so
// that two activities never use the same one. It knows nothing of what they do.
package lease

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cogniverse/cogflow/fault"
)

// Table holds the leases of one process. Make one with New or Slots and share it: every
// user of a device must lease it here.
type Table struct {
	devices []string // by place; empty texts are slots without a device

	mu    sync.Mutex
	taken []bool    // by place
	queue []*waiter // those that wait, longest first
}

// waiter is one call that waits for n places.
type waiter struct {
	n      int
	places []int         // what it got, set before ready is closed
	ready  chan struct{} // closed when it got them
}

// Lease is what a holder may use.
type Lease struct {
	Devices string // for CUDA_VISIBLE_DEVICES, "GPU-8f2a…,GPU-11c0…"; empty = no GPU
}

// New makes a table of devices, named as CUDA_VISIBLE_DEVICES names them. Use
// UUIDs: CUDA counts devices in another order than nvidia-smi.
func New(devices []string) *Table {
	return &Table{devices: slices.Clone(devices), taken: make([]bool, len(devices))}
}

// Slots makes a table for a host without GPUs: n holders at a time.
func Slots(n int) *Table { return New(make([]string, max(n, 0))) }

// Total is how many devices or slots there are.
func (t *Table) Total() int { return len(t.devices) }

// Free is how many of them are not leased now.
func (t *Table) Free() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.free()
}

func (t *Table) free() (n int) {
	for _, taken := range t.taken {
		if !taken {
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
	if n < 1 || n > len(t.devices) {
		return Lease{}, nil, fault.New(fault.Input, "lease devices", fmt.Sprint(n),
			fmt.Sprintf("this worker has %d; ask for 1 to %d, or use a pool with more", len(t.devices), len(t.devices)))
	}
	if err := ctx.Err(); err != nil {
		return Lease{}, nil, err
	}
	w := &waiter{n: n, ready: make(chan struct{})}
	t.mu.Lock()
	t.queue = append(t.queue, w)
	t.serve()
	t.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
		t.withdraw(w)
		return Lease{}, nil, ctx.Err()
	}
	release := sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.giveBack(w.places)
	})
	return Lease{Devices: t.names(w.places)}, release, nil
}

// serve gives devices to waiters in order: one that waits for many is not overtaken by
// those that need few, or it might wait for ever.
func (t *Table) serve() {
	for len(t.queue) > 0 && t.queue[0].n <= t.free() {
		w := t.queue[0]
		t.queue = t.queue[1:]
		for place := range t.taken {
			if len(w.places) < w.n && !t.taken[place] {
				t.taken[place] = true
				w.places = append(w.places, place)
			}
		}
		close(w.ready)
	}
}

// withdraw ends the wait of w, which may have been served at this moment.
func (t *Table) withdraw(w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = slices.DeleteFunc(t.queue, func(other *waiter) bool { return other == w })
	t.giveBack(w.places)
}

func (t *Table) giveBack(places []int) {
	for _, place := range places {
		t.taken[place] = false
	}
	t.serve()
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

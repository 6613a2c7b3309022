package broker

import (
	"container/heap"
	"context"
	"sync"
)

// gate limits concurrency. The waiting group with the fewest calls in progress is next, so
// that jobs and stages share an endpoint fairly; within a group the lowest ticket is next.
// The frames of a chunk share a ticket, so chunks that began together do not end together,
// which would leave the endpoint idle until the next ones begin. Its size may change at any
// time. The zero value admits no call. (golang.org/x/sync/semaphore has only arrival order,
// and one size.)
type gate struct {
	mu       sync.Mutex
	size     int
	used     int // may exceed size for a while after it shrank
	groups   map[string]*group
	arrivals int64
}

// group shares fairly with others: the calls of one kind in one job.
type group struct {
	used    int
	waiting waiters
}

// place is the group and the order of a call.
type place struct {
	group  string
	ticket int64
}

type waiter struct {
	ticket, arrival int64
	admitted        chan struct{}
	gone            bool
}

// resize changes the maximum concurrency.
func (g *gate) resize(size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.size = size
	g.admit()
}

func (g *gate) enter(ctx context.Context, p place) error {
	g.mu.Lock()
	if g.groups == nil {
		g.groups = map[string]*group{}
	}
	of := g.groups[p.group]
	if of == nil {
		of = &group{}
		g.groups[p.group] = of
	}
	w := &waiter{ticket: p.ticket, arrival: g.arrivals, admitted: make(chan struct{})}
	g.arrivals++
	heap.Push(&of.waiting, w)
	g.admit()
	g.mu.Unlock()
	select {
	case <-w.admitted:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.admitted: // admitted at the same moment: pass the slot on
		g.release(p.group)
	default:
		w.gone = true
	}
	return context.Cause(ctx)
}

func (g *gate) leave(p place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(p.group)
}

func (g *gate) release(name string) {
	of := g.groups[name]
	g.used--
	of.used--
	if of.used == 0 && len(of.waiting) == 0 {
		delete(g.groups, name)
	}
	g.admit()
}

// admit gives free slots to the next waiters; g.mu is held.
func (g *gate) admit() {
	for g.used < g.size {
		next := g.next()
		if next == nil {
			return
		}
		w := heap.Pop(&next.waiting).(*waiter)
		g.used++
		next.used++
		close(w.admitted)
	}
}

// next is the group whose turn it is; nil = none waits.
func (g *gate) next() (next *group) {
	for name, of := range g.groups {
		for len(of.waiting) > 0 && of.waiting[0].gone {
			heap.Pop(&of.waiting)
		}
		switch {
		case len(of.waiting) == 0:
			if of.used == 0 {
				delete(g.groups, name)
			}
		case next == nil, of.used < next.used, of.used == next.used && of.waiting[0].before(next.waiting[0]):
			next = of
		}
	}
	return next
}

func (w *waiter) before(other *waiter) bool {
	if w.ticket != other.ticket {
		return w.ticket < other.ticket
	}
	return w.arrival < other.arrival
}

// waiters is a heap by ticket, then by arrival.
type waiters []*waiter

func (w waiters) Len() int           { return len(w) }
func (w waiters) Less(i, j int) bool { return w[i].before(w[j]) }
func (w waiters) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *waiters) Push(x any)        { *w = append(*w, x.(*waiter)) }

func (w *waiters) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	*w = (*w)[:last]
	return x
}

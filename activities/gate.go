package activities

import (
	"container/heap"
	"context"
	"sync"
)

// gate lets so many in at once and, of those that wait, first who holds the
// lowest ticket. The frames of a chunk share a ticket, so chunks that began
// together do not end together, which would leave the model without work until
// the next ones have begun. Its size may change at any time. The zero value
// lets nobody in. (golang.org/x/sync/semaphore knows one order only: of
// arrival, and one size.)
type gate struct {
	mu      sync.Mutex
	size    int
	used    int // may exceed size for a while after it shrank
	waiting waiters
}

type waiter struct {
	ticket, arrival int64
	admitted        chan struct{}
	gone            bool
}

// resize changes how many may be in at once.
func (g *gate) resize(size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.size = size
	g.admit()
}

func (g *gate) enter(ctx context.Context, ticket int64) error {
	g.mu.Lock()
	if g.used < g.size {
		g.used++
		g.mu.Unlock()
		return nil
	}
	w := &waiter{ticket: ticket, arrival: g.waiting.arrivals, admitted: make(chan struct{})}
	g.waiting.arrivals++
	heap.Push(&g.waiting, w)
	g.mu.Unlock()
	select {
	case <-w.admitted:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.admitted: // in the same moment: pass it on
		g.used--
		g.admit()
	default:
		w.gone = true
	}
	return ctx.Err()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used--
	g.admit()
}

// admit fills free places with who is next; g.mu is held.
func (g *gate) admit() {
	for g.used < g.size && len(g.waiting.line) > 0 {
		if w := heap.Pop(&g.waiting).(*waiter); !w.gone {
			g.used++
			close(w.admitted)
		}
	}
}

// waiters is a heap by ticket, then by arrival.
type waiters struct {
	line     []*waiter
	arrivals int64
}

func (w *waiters) Len() int { return len(w.line) }

func (w *waiters) Less(i, j int) bool {
	a, b := w.line[i], w.line[j]
	if a.ticket != b.ticket {
		return a.ticket < b.ticket
	}
	return a.arrival < b.arrival
}

func (w *waiters) Swap(i, j int) { w.line[i], w.line[j] = w.line[j], w.line[i] }

func (w *waiters) Push(x any) { w.line = append(w.line, x.(*waiter)) }

func (w *waiters) Pop() any {
	last := len(w.line) - 1
	x := w.line[last]
	w.line = w.line[:last]
	return x
}

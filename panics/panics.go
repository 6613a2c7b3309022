// Package panics turns the panic of a goroutine into an error of what the goroutine works
// for. Unrecovered, it would end the whole process, with everything that it has in flight,
// and the next process likewise: an answer or a file can be what it takes.
//
// What an activity or an adapter runs beside itself is started with Go or a Group.
package panics

import (
	"context"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/safetext"
)

// Error is a panic. It marks a bug, so it has no class, whatever the value is: it is tried
// again only a few times.
type Error struct {
	Value any
	Stack string // of the panic, for the log
}

// Error leaves out the stack, which is not for histories and reports.
func (e *Error) Error() string {
	return "internal error: " + safetext.Line(fmt.Sprint(e.Value), safetext.MaxReason)
}

// Try calls do, whose panic is an *Error.
func Try(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Value: p, Stack: string(debug.Stack())}
		}
	}()
	return do()
}

// Go calls do in a goroutine of its own, and then end, in any case, with its error. Who
// waits for the goroutine waits for end; what do defers comes before it.
func Go(do func() error, end func(error)) {
	go func() { end(Try(do)) }()
}

// Group is an errgroup.Group whose functions may panic: that is their error. The zero
// value is ready, without a limit.
type Group struct {
	own    errgroup.Group
	shared *errgroup.Group
}

// WithContext returns a Group, and a context that ends with its first error or with Wait.
func WithContext(ctx context.Context) (*Group, context.Context) {
	shared, ctx := errgroup.WithContext(ctx)
	return &Group{shared: shared}, ctx
}

func (g *Group) group() *errgroup.Group {
	if g.shared != nil {
		return g.shared
	}
	return &g.own
}

// SetLimit bounds how many functions run at once.
func (g *Group) SetLimit(n int) { g.group().SetLimit(n) }

// Go calls do in a goroutine, as soon as the limit allows it.
func (g *Group) Go(do func() error) { g.group().Go(func() error { return Try(do) }) }

// Wait waits for all functions and returns the first error.
func (g *Group) Wait() error { return g.group().Wait() }

// Package panics turns the panic of a goroutine into an error of its task. Unrecovered, it
// would end the whole process and everything that it has in flight, and the next process
// too, if the same answer or file causes it again.
//
// Activities and adapters start their goroutines with Go or a Group.
package panics

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/safetext"
)

// Error is a panic. It marks a bug, so it has no class, whatever its value is: it is
// retried only a few times.
type Error struct {
	Value any
	Stack string // of the panic, for the log
}

// Error leaves out the stack, which does not belong in histories and reports.
func (e *Error) Error() string {
	return "internal error: " + safetext.Line(fmt.Sprint(e.Value), safetext.MaxReason)
}

// Try calls do and returns its panic as an *Error.
func Try(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Value: p, Stack: string(debug.Stack())}
		}
	}()
	return do()
}

// Go calls do in a goroutine, and then always end with its error. Wait for end to wait for
// the goroutine; deferred calls of do run before it.
func Go(do func() error, end func(error)) {
	go func() { end(Try(do)) }()
}

// Group is an errgroup.Group that returns a panic of its functions as an error. The zero
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

// SetLimit limits how many functions run concurrently.
func (g *Group) SetLimit(n int) { g.group().SetLimit(n) }

// Go calls do in a goroutine, as soon as the limit allows.
func (g *Group) Go(do func() error) { g.group().Go(func() error { return Try(do) }) }

// Wait waits for all functions and returns the first error.
func (g *Group) Wait() error { return g.group().Wait() }

// Each runs do for all items concurrently and returns the first error. After an error
// nothing new is started, but what runs may finish.
func Each[T any](items []T, do func(T) error) error {
	var group Group
	var failed atomic.Bool
	for _, item := range items {
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			err := Try(func() error { return do(item) })
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return group.Wait()
}

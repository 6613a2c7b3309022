// Package panictest makes goroutines that package panics started panic in tests.
package panictest

import (
	"context"
	"runtime/debug"
	"strings"
)

// Context returns a context that panics when a goroutine of package panics asks it for a value.
func Context(parent context.Context) context.Context { return panicking{parent} }

type panicking struct{ context.Context } //nolint:containedctx // it is a context

func (p panicking) Value(key any) any {
	if strings.Contains(string(debug.Stack()), "cogflow/panics.Try") {
		panic("the test asked for it")
	}
	return p.Context.Value(key)
}

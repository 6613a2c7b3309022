// Package activitytest runs activities under a worker's interceptors, with dependencies
// that fail on demand. It holds no model and no store of its own.
package activitytest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
)

// Workflow is the id of the workflow that the activities of Run belong to.
const Workflow = "default-test-workflow-id"

// Run makes one attempt of an activity, under the interceptors of a worker.
func Run[In, Out any](t testing.TB, do func(context.Context, In) (Out, error), in In) (Out, error) {
	t.Helper()
	return RunAfter(t, do, in, nil)
}

// RunAfter is Run for an attempt whose predecessor's last heartbeat carried details; nil =
// none.
func RunAfter[In, Out any](t testing.TB, do func(context.Context, In) (Out, error), in In, details any) (Out, error) {
	t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	if details != nil {
		env.SetHeartbeatDetails(details)
	}
	env.SetWorkerOptions(worker.Options{Interceptors: activities.Interceptors(0, nil)})
	env.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: "activity"})
	var out Out
	value, err := env.ExecuteActivity("activity", in)
	if err == nil && value.HasValue() {
		err = value.Get(&out)
	}
	return out, err
}

// Do is Run for an activity without a result.
func Do[In any](t testing.TB, do func(context.Context, In) error, in In) error {
	t.Helper()
	_, err := Run(t, func(ctx context.Context, in In) (bool, error) { return true, do(ctx, in) }, in)
	return err
}

// Cancelled makes an attempt that is cancelled with a cause when the channel is closed, and
// returns the activity's own error.
func Cancelled[In, Out any](t testing.TB, do func(context.Context, In) (Out, error), in In, why error, when <-chan struct{}) error {
	t.Helper()
	var given error
	_, err := Run(t, func(ctx context.Context, in In) (Out, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() {
			select {
			case <-when:
				cancel(why)
			case <-ctx.Done():
			}
		}()
		out, err := do(ctx, in)
		given = err
		return out, err
	}, in)
	if err == nil {
		return nil
	}
	return given
}

// ClassOf is the class of an error of Run, as a workflow sees it.
func ClassOf(err error) fault.Class {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return fault.Class(app.Type())
	}
	return ""
}

// Store is a store in which some keys have no room, or that fails.
type Store struct {
	activities.Store
	NoRoom func(key string) bool // nil = there is room for all keys; set while nothing uses the store

	failing atomic.Pointer[func(key string) error] // nil = no operation fails
}

// Fail sets which operations fail, by their key or prefix; nil = none. It may be called while the
// store is in use: a model's answer may be stored after the attempt that asked for it has ended.
func (s *Store) Fail(when func(key string) error) {
	if when == nil {
		s.failing.Store(nil)
		return
	}
	s.failing.Store(&when)
}

func (s *Store) fails(key string) error {
	if when := s.failing.Load(); when != nil {
		return (*when)(key)
	}
	return nil
}

func (s *Store) room(key string) error {
	if s.NoRoom != nil && s.NoRoom(key) {
		return fault.New(fault.Capacity, "write object", key, "no space left")
	}
	return s.fails(key)
}

// Put fails for keys without room.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	if err := s.room(key); err != nil {
		return object.Info{}, err
	}
	return s.Store.Put(ctx, key, r)
}

// Create fails for keys without room.
func (s *Store) Create(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	if err := s.room(key); err != nil {
		return object.Info{}, err
	}
	return s.Store.Create(ctx, key, r)
}

// Replace fails for keys without room.
func (s *Store) Replace(ctx context.Context, key, sha256 string, r io.Reader) (object.Info, error) {
	if err := s.room(key); err != nil {
		return object.Info{}, err
	}
	return s.Store.Replace(ctx, key, sha256, r)
}

// Get fails on request.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	if err := s.fails(key); err != nil {
		return nil, object.Info{}, err
	}
	return s.Store.Get(ctx, key)
}

// Stat fails on request.
func (s *Store) Stat(ctx context.Context, key string) (object.Info, error) {
	if err := s.fails(key); err != nil {
		return object.Info{}, err
	}
	return s.Store.Stat(ctx, key)
}

// List fails on request.
func (s *Store) List(ctx context.Context, prefix string, yield func(object.Info) error) error {
	if err := s.fails(prefix); err != nil {
		return err
	}
	return s.Store.List(ctx, prefix, yield)
}

// Delete fails on request.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.fails(key); err != nil {
		return err
	}
	return s.Store.Delete(ctx, key)
}

// Runs is a server on which only the workflows with these ids are open. "id run" is one
// run of a workflow.
type Runs []string

// Running reports whether a run is open; "" = any of the workflow.
func (r Runs) Running(_ context.Context, workflow, run string) (bool, error) {
	return slices.ContainsFunc(r, func(open string) bool {
		id, only, one := strings.Cut(open, " ")
		return id == workflow && (run == "" || !one || only == run)
	}), nil
}

// ChainRunning reports whether a run is open: none has a successor.
func (r Runs) ChainRunning(ctx context.Context, workflow, run string) (bool, error) {
	return r.Running(ctx, workflow, run)
}

// VideoTenant knows no video.
func (Runs) VideoTenant(context.Context, string, string) (tenant.ID, error) { return "", nil }

// Signal does nothing.
func (Runs) Signal(context.Context, string, string, string, any) error { return nil }

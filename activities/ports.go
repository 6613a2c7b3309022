// Package activities holds what the activities of all pipelines share: the ports to
// the outside world, error classes as Temporal sees them, heartbeats, tenants, claims,
// stored JSON objects, and calls of models through the broker. Each pipeline has a
// package of its own below. None of them imports an adapter.
package activities

import (
	"context"
	"io"
	"time"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// The interfaces below are all that the activities know of the world. The
// adapters in internal/ satisfy them without importing this package; workers
// wires them together.

// Store keeps objects under slash-separated keys, tenant first. A reader sees a
// whole object or none, also after a crash.
type Store interface {
	// Put writes or overwrites an object.
	Put(ctx context.Context, key string, r io.Reader) (object.Info, error)
	// Create writes an object durably, or returns object.ErrExists and writes nothing.
	Create(ctx context.Context, key string, r io.Reader) (object.Info, error)
	// Replace overwrites durably the object whose content still has the given
	// SHA-256, or returns object.ErrChanged (object.ErrNotFound if it is gone). An
	// empty SHA-256 is that of an object of which Stat says object.ErrCorrupt.
	Replace(ctx context.Context, key, sha256 string, r io.Reader) (object.Info, error)
	// Get opens an object. The reader returns object.ErrCorrupt instead of
	// io.EOF when the bytes do not have the stored SHA-256.
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
	// Stat describes an object without reading it.
	Stat(ctx context.Context, key string) (object.Info, error)
	// List yields the objects under a prefix in the order of their keys until
	// yield returns an error, which it returns.
	List(ctx context.Context, prefix string, yield func(object.Info) error) error
	// Delete removes an object; a missing one is no error.
	Delete(ctx context.Context, key string) error
	// DeleteIf removes the object whose content still has the given SHA-256, or
	// returns object.ErrChanged and removes nothing; a missing one is no error.
	// errors.ErrUnsupported: the store cannot check and delete in one step; nothing was changed.
	DeleteIf(ctx context.Context, key, sha256 string) error
}

// Limits says how many calls an endpoint takes at once. It is learned, so it
// changes; activities ask before each call and never have more of them open.
type Limits interface {
	Limit(model string) int // at least 1
}

// Ledger records every paid call: reserved before it is made, settled when it is
// known how it ended. It alone says what was paid.
type Ledger interface {
	// Reserve reserves the cost of a call. It waits, until ctx ends, while
	// reservations in flight leave no room in limitMicroUSD (0 = no limit), and
	// returns a budget fault when what is settled leaves none.
	Reserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error)
	// Settle books how an entry ended, and returns how it is booked now: any
	// process may settle it, as often as it likes; see money.Settle.
	Settle(ctx context.Context, key string, o money.Outcome, microUSD int64) (money.Booking, error)
	// End settles an entry by its row, as builds without keys name it.
	End(ctx context.Context, id int64, answered bool, costMicroUSD int64) error
	// Held finds an entry of a job by its key, or where that is empty by its row: what it
	// is booked at, and when it was begun. found is false for one of another job.
	Held(ctx context.Context, t tenant.ID, job, key string, row int64) (microUSD int64, begun time.Time, found bool, err error)
	// Spent is what a job has settled, or one workflow in it; it is cheap.
	Spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error)
	// Job sums up the calls of a job.
	Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error)
	// Latency is the mean time from begin to end of the last answered calls
	// of a model; 0 when there are none.
	Latency(ctx context.Context, model string) (time.Duration, error)
}

// Runs asks the Temporal server about workflow executions.
type Runs interface {
	// Running reports whether a run is still open. A run that the server no
	// longer knows is not.
	Running(ctx context.Context, workflowID, runID string) (bool, error)
	// VideoTenant returns whose the current run of a workflow is, if it is a video
	// that a library of the given workflow id started, as the server says; else "".
	// Whoever starts a workflow sets its search attributes, but not its parent.
	VideoTenant(ctx context.Context, workflowID, libraryID string) (tenant.ID, error)
	// Signal sends a signal to the current run of a workflow.
	Signal(ctx context.Context, workflowID, runID, name string, payload any) error
}

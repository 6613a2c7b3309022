// Package activities holds what the activities of all pipelines share: the ports (the
// interfaces of adapters), error classes as Temporal sees them, heartbeats, tenants,
// claims, stored JSON objects, and calls of models through the broker. Each pipeline has a
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

// The interfaces below are all that activities know of the outside. The adapters in
// internal/ satisfy them without importing this package; package workers connects them.

// Store keeps objects under slash-separated keys, tenant first. A reader sees a whole
// object or none, also after a crash.
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
	// Part opens length bytes of an object from an offset on. They must lie within the object, and are
	// not compared with its SHA-256.
	Part(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
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

// Limits says how many calls an endpoint takes concurrently. The limit is learned and
// changes; activities ask before each call.
type Limits interface {
	Limit(model string) int // at least 1
}

// Ledger records every paid call: reserved before the call, settled after it. It is the
// only source of what was paid.
type Ledger interface {
	// Reserve reserves the cost of a call. It waits, until ctx ends, while reservations in
	// flight leave no room in limitMicroUSD (0 = no limit), and returns a budget fault when
	// settled costs leave none.
	Reserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error)
	// Settle books how an entry ended and returns the current booking. Any process may
	// settle it, any number of times; see money.Settle.
	Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error)
	// End settles an entry by its row number, as builds without keys name it.
	End(ctx context.Context, id int64, answered bool, costMicroUSD int64) error
	// Held finds an entry of a job by its key or, if that is empty, by its row number. It
	// returns the booked amount and the start. found is false for an entry of another job.
	Held(ctx context.Context, t tenant.ID, job, key string, row int64) (microUSD int64, begun time.Time, found bool, err error)
	// Spent is the settled cost of a job, or of one workflow in it; it is cheap.
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
	// ChainRunning reports whether a run, or one that continues, retries or resets it, is
	// still open. Another run that was started under the same workflow id does not count.
	ChainRunning(ctx context.Context, workflowID, runID string) (bool, error)
	// VideoTenant returns the tenant of a workflow's current run if the server says that it
	// is a video of the library with the given workflow id; otherwise "". A starter can set
	// search attributes, but not the parent.
	VideoTenant(ctx context.Context, workflowID, libraryID string) (tenant.ID, error)
	// Signal sends a signal to the current run of a workflow.
	Signal(ctx context.Context, workflowID, runID, name string, payload any) error
}

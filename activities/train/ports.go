// Package train holds the activities of training: datasets, plans, one attempt of one
// trainer process with its checkpoints, and the publication of adapters. What is
// published is read by package registry. It knows neither the trainer's code nor the
// order of steps.
package train

import (
	"context"
	"io"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/placing"
	"github.com/cogniverse/cogflow/activities/train/measure"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/summary"
	"github.com/cogniverse/cogflow/video"
)

// BaseModels finds base models on this worker's disk.
type BaseModels interface {
	Find(ctx context.Context, name string) (training.Model, error)
	Shape(ctx context.Context, m training.Model) (estimate.Shape, error)
}

// Trainer runs one trainer process.
type Trainer interface {
	// Run returns nil when the job is done, training.ErrStopped after a checkpoint that
	// closing stop requested, training.ErrOutOfMemory, or another error. devices are those
	// that the process may use; empty = none. log receives what the process prints, and its
	// writes do not fail. on receives every event in order; its error
	// stops the process.
	Run(ctx context.Context, job training.Job, devices string, log io.Writer, stop <-chan struct{}, on func(training.Event) error) error
}

// GPUs are the devices of this worker, leased so that no two processes share one.
type GPUs interface {
	// Lease waits for n devices. devices names them; empty on a host without. says gets what it
	// waits for.
	Lease(ctx context.Context, n int, says func(reason string)) (devices string, release func(), err error)
}

// GPULedger books the time of GPUs.
type GPULedger interface {
	// Reserve reserves the cost of a slice. It waits while only other reservations leave no
	// room, and returns a budget fault when the job's limit (0 = none) is reached.
	Reserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error)
	// Settle books a slice and returns the booking: the first settlement stands.
	Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error)
	// End settles an entry by its row number, as builds without keys name it.
	End(ctx context.Context, id int64, answered bool, costMicroUSD int64) error
	// Held finds an entry of a job by its key or its row, see activities.Ledger.
	Held(ctx context.Context, t tenant.ID, job, key string, row int64) (microUSD int64, begun time.Time, found bool, err error)
	// Spent is the settled cost of a job; workflow "" = of all workflows.
	Spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error)
	// Job sums up the entries of a job. Those of processes that are gone are settled first.
	Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error)
}

// Reports render pages about training.
type Reports struct {
	Train func(w io.Writer, r summary.Run) error
	Sweep func(w io.Writer, r summary.Sweep) error
}

// Activities holds what the training activities work with. A worker sets only the
// fields that its pools need.
type Activities struct {
	Store       activities.Store
	Documents   activities.Documents
	Models      BaseModels
	Tokens      *measure.Counter // nil = this worker does not count
	Trainer     Trainer
	GPUs        GPUs
	Ledger      GPULedger
	Runs        activities.Runs
	Placing     *placing.Rules
	Prices      estimate.Prices
	Reports     Reports
	Scratch     string             // directory for temporary files
	Kept        string             // directory that outlives this process, on the same disk as Scratch
	Version     string             // of this build, for lineage
	Unsandboxed bool               // the trainer runs without a sandbox, as this worker is configured
	SaveEvery   float64            // seconds between checkpoints
	Redactor    *safetext.Redactor // of the trainer's output; nil = this worker has no keys

	others activities.OtherBuilds
	now    func() time.Time // nil = time.Now
}

func (a *Activities) claims() activities.Claims {
	return activities.Claims{Store: a.Store, Runs: a.Runs, What: "training job"}
}

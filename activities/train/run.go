package train

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/untrusted"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/waits"
)

// RunInput requests that a job is trained further, from its newest checkpoint.
type RunInput struct {
	Tenant        tenant.ID         `json:"tenant"`
	Job           string            `json:"job"`
	Spec          training.Spec     `json:"spec"`
	Train         training.File     `json:"train"`
	Eval          *training.File    `json:"eval,omitempty"`
	Class         string            `json:"class"`
	MicroBatch    int               `json:"micro_batch"`
	Accumulation  int               `json:"accumulation"`
	SaveSeconds   float64           `json:"checkpoint_seconds,omitempty"` // 0 = as the worker is configured
	Finish        bool              `json:"finish,omitempty"`             // stop training: evaluate and keep the best so far
	MayDrop       *training.MayDrop `json:"may_drop,omitempty"`           // nil = of a run that an earlier build began: any number
	Ledger        string            `json:"ledger"`                       // job that the ledger counts by
	LimitMicroUSD int64             `json:"limit_micro_usd,omitempty"`
	Before        Tally             `json:"before"` // tally of former runs of this job
}

// Owner is the tenant that the activity works for.
func (in RunInput) Owner() tenant.ID { return in.Tenant }

// Tally sums up the attempts of a job. It survives the death of a worker in the heartbeat
// details.
type Tally struct {
	Attempts     int     `json:"attempts"`              // trainer processes started
	Reached      int     `json:"reached"`               // the furthest step
	Redone       int     `json:"redone_steps"`          // steps computed again
	Failures     int     `json:"failures,omitempty"`    // of the network or a process, since a step was last gained
	Seconds      float64 `json:"seconds"`               // total time of trainer processes
	CostMicroUSD int64   `json:"cost_micro_usd"`        // settled in the ledger for the whole run
	MicroBatch   int     `json:"micro_batch,omitempty"` // size that fits; 0 = unknown
	Accumulation int     `json:"accumulation,omitempty"`
	SliceKey     string  `json:"slice_key,omitempty"`  // open entry of the ledger; empty = none
	SliceUsed    int64   `json:"slice_used,omitempty"` // used part of it, in micro-USD
	SliceMS      int64   `json:"slice_ms,omitempty"`   // used part of it, in milliseconds
	NextKey      string  `json:"next_key,omitempty"`   // the entry after it, which a worker may have begun since its last heartbeat
	Slice        int64   `json:"slice,omitempty"`      // open entry as an older build names it
	SliceMicro   int64   `json:"slice_cost,omitempty"` // reservation of that entry
}

// Report is the progress of a run, for people.
type Report struct {
	Phase           string             `json:"phase,omitempty"`             // load, data, evaluate, train, save
	Step            int                `json:"step"`                        // optimizer steps so far
	Total           int                `json:"total"`                       // optimizer steps planned
	Epoch           float64            `json:"epoch,omitempty"`             // passes over the rows so far
	Loss            *float64           `json:"loss,omitempty"`              // training loss
	LearningRate    float64            `json:"learning_rate,omitempty"`     // at this step
	Tokens          int64              `json:"tokens,omitempty"`            // tokens so far
	TokensPerSecond float64            `json:"tokens_per_second,omitempty"` // speed
	MemoryBytes     int64              `json:"memory_bytes,omitempty"`      // peak memory
	Device          string             `json:"device,omitempty"`            // name of the device
	Checkpoint      int                `json:"checkpoint,omitempty"`        // step of the last stored checkpoint
	BestStep        int                `json:"best_step,omitempty"`         // step with the best evaluation
	Metrics         map[string]float64 `json:"metrics,omitempty"`           // of the last evaluation
	BaseMetrics     map[string]float64 `json:"base_metrics,omitempty"`      // of the base model
	ETASeconds      float64            `json:"eta_seconds,omitempty"`       // seconds to the end, estimated
	Trouble         string             `json:"trouble,omitempty"`           // what fails at the moment and is retried
}

// Run says how a run of the trainer ended. Only faults that are worth a retry are errors;
// the rest are outcomes that the workflow handles.
type Run struct {
	Ended   string `json:"ended"` // training.EndedDone, …
	Report  Report `json:"report"`
	Tally   Tally  `json:"tally"`
	Ignored string `json:"ignored,omitempty"` // the last message that the run ignored, and why

	Blocked *money.Blocked `json:"blocked,omitempty"` // the shared budget that stopped the run; nil = its own limit did
}

// Pulse is the heartbeat of RunTraining.
type Pulse struct {
	Tally  Tally  `json:"tally"`
	Report Report `json:"report"`
	// PhaseSeconds is how long the trainer has been in the phase of the report, such as loading
	// the model; before its first phase, how long ago its process was started. 0 = no process runs.
	PhaseSeconds float64 `json:"phase_seconds,omitempty"`
}

// SignalTraining reports the progress of a run to its workflow: a Signal.
const SignalTraining = "training"

// Signal is the payload of SignalTraining. Heartbeat details are lost when an attempt that
// waits for a worker is cancelled, so the workflow receives the tally as well.
type Signal struct {
	Report
	Tally *Tally `json:"tally,omitempty"` // nil = of a build that did not send it
}

// attempt is one call of RunTraining.
type attempt struct {
	a       *Activities
	in      RunInput
	token   string // unique per attempt: fences what it stores
	dir     string // its files
	devices string
	model   training.Model

	mu         sync.Mutex
	pulse      Pulse
	events     []training.Event // of the whole job up to now
	eventBytes int64            // what they take
	resumed    int              // step at which this process began
	firstStep  time.Time        // when the process finished its first step
	work       string           // work_dir of the process
	launched   time.Time        // when the process was started
	phased     time.Time        // when the process began its phase
	startup    time.Duration    // time between the two

	running  *meter        // of the process that runs; nil = none
	stopping chan struct{} // closed to stop the trainer
	stopOnce sync.Once
	why      error // valid when stopping is closed
	saver    *saver
	log      *processLog
	pruned   bool   // logs of attempts long gone are deleted
	ignored  string // see Run
}

// Why a run is stopped.
var (
	errCancelled = errors.New("cancelled")
	errBudget    = errors.New("budget")
	errHeld      = &fault.Error{
		Class: fault.Preempted, Op: "train", Reason: "this attempt was paused, reset or given up on the server",
	}
)

// RunTraining trains on a leased GPU until the job is done, is asked to stop, or reaches
// its budget. It always continues from the newest complete checkpoint.
//
// A cancellation is a request to stop at a checkpoint. The result is the progress of the
// run and never an error, whatever else failed meanwhile: the server does not retry a
// cancelled activity.
func (a *Activities) RunTraining(ctx context.Context, in RunInput) (Run, error) {
	r := &attempt{a: a, in: in, stopping: make(chan struct{}), token: attemptToken(ctx)}
	r.log = newProcessLog(a.Redactor, time.Now)
	r.pulse.Tally = in.Before
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &r.pulse); err != nil {
			return Run{}, fault.Wrap(fault.Input, "read heartbeat of", in.Job, err)
		}
		r.pulse.PhaseSeconds = 0 // of the process before
	}
	activities.HeartbeatDetails(ctx, func() any { return r.snapshot() })
	out, err := r.run(ctx)
	if err == nil {
		return out, nil
	}
	if cancelRequested(ctx) {
		r.update(func(p *Pulse) { p.Report.Trouble = safetext.Line(err.Error(), maxTrouble) })
		return r.outcome(training.EndedStopped), nil
	}
	r.signalLast(ctx)
	return Run{}, err
}

// maxTrouble is the maximum length of a failure in a report, in bytes.
const maxTrouble = 500

// cancelRequested reports whether the workflow cancelled the activity. Its context also
// ends for other reasons: the worker stops, or an operator has paused the activity on the
// server.
func cancelRequested(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return temporal.IsCanceledError(cause) || errors.Is(cause, context.Canceled)
}

// run does the work of RunTraining.
func (r *attempt) run(ctx context.Context) (Run, error) {
	a, in := r.a, r.in
	if err := r.settleLeft(ctx); err != nil {
		return Run{}, err
	}
	done, err := a.output(ctx, in.Tenant, in.Job)
	if err != nil {
		return Run{}, err
	}
	if done != nil && done.Outcome.Ended == training.EndedDone {
		return r.outcome(training.EndedDone), nil // stored, but the result was lost
	}
	say, leased := activities.Waiting(ctx)
	devices, release, err := a.GPUs.Lease(ctx, 1, func(why string) { say(waits.Reason{Code: waits.GPU, On: in.Class, Text: why}) })
	leased()
	if err != nil {
		return Run{}, err
	}
	defer release()
	r.devices = devices
	if r.dir, err = os.MkdirTemp(a.Scratch, "train-"); err != nil {
		return Run{}, fault.Disk("make scratch directory in", a.Scratch, err)
	}
	defer func() { _ = untrusted.RemoveTree(r.dir) }() // otherwise the next start of the worker removes it
	defer r.tidy()
	return r.train(ctx)
}

func attemptToken(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	sum := video.NewFingerprint("attempt", info.WorkflowExecution.RunID, info.ActivityID, fmt.Sprint(info.Attempt))
	return hex.EncodeToString([]byte(sum[:6]))
}

// snapshot returns the pulse including the time of the running process.
func (r *attempt) snapshot() Pulse {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pulse
	if r.running != nil {
		r.running.count(&p.Tally, time.Now())
		if !r.phased.IsZero() { // the process of this attempt, which is about to be started
			p.PhaseSeconds = time.Since(r.phased).Seconds()
		}
	}
	return p
}

// update changes the pulse.
func (r *attempt) update(change func(p *Pulse)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.pulse)
}

func (r *attempt) outcome(ended string) Run {
	p := r.snapshot()
	return Run{Ended: ended, Report: p.Report, Tally: p.Tally, Ignored: r.ignored}
}

// stop asks the trainer to stop; the first reason counts.
func (r *attempt) stop(why error) {
	r.stopOnce.Do(func() { r.why = why; close(r.stopping) })
}

// watch stops the trainer when the workflow, the worker or the server requests it. The
// trainer gets all remaining time for a checkpoint.
func (r *attempt) watch(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-activity.GetWorkerStopChannel(ctx):
		r.stop(activities.ErrStopping)
	case <-ctx.Done():
		if cancelRequested(ctx) {
			r.stop(errCancelled)
		} else {
			r.stop(errHeld)
		}
	}
}

func (r *attempt) stopped(why error) bool { return r.isStopping() && errors.Is(r.why, why) }

func (r *attempt) isStopping() bool {
	select {
	case <-r.stopping:
		return true
	default:
		return false
	}
}

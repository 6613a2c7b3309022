package activities

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// TrainRunInput asks for a job to be trained on, from wherever it stands.
type TrainRunInput struct {
	Tenant        tenant.ID      `json:"tenant"`
	Job           string         `json:"job"`
	Spec          training.Spec  `json:"spec"`
	Train         training.File  `json:"train"`
	Eval          *training.File `json:"eval,omitempty"`
	Class         string         `json:"class"`
	MicroBatch    int            `json:"micro_batch"`
	Accumulation  int            `json:"accumulation"`
	SaveSeconds   float64        `json:"checkpoint_seconds,omitempty"` // 0 = as the worker is configured
	Finish        bool           `json:"finish,omitempty"`             // train no more: evaluate and keep the best so far
	Ledger        string         `json:"ledger"`                       // job that the ledger counts by
	LimitMicroUSD int64          `json:"limit_micro_usd,omitempty"`
	Before        Tally          `json:"before"` // what former runs of this job came to
}

// Tally adds up the attempts of a job. It survives the death of a worker in the
// details of the heartbeat.
type Tally struct {
	Attempts     int     `json:"attempts"`           // trainer processes started
	Reached      int     `json:"reached"`            // the furthest step
	Redone       int     `json:"redone_steps"`       // steps computed again
	Failures     int     `json:"failures,omitempty"` // of the network or a process, since a step was last gained
	Seconds      float64 `json:"seconds"`            // with a GPU in hand
	CostMicroUSD int64   `json:"cost_micro_usd"`
	MicroBatch   int     `json:"micro_batch,omitempty"` // that fits; 0 = not found out
	Accumulation int     `json:"accumulation,omitempty"`
	Slice        int64   `json:"slice,omitempty"`      // open entry of the ledger
	SliceMicro   int64   `json:"slice_cost,omitempty"` // what it reserves
}

// TrainReport is where a run stands, for people.
type TrainReport struct {
	Phase           string             `json:"phase,omitempty"` // load, data, evaluate, train, save
	Step            int                `json:"step"`
	Total           int                `json:"total"`
	Epoch           float64            `json:"epoch,omitempty"`
	Loss            *float64           `json:"loss,omitempty"`
	LearningRate    float64            `json:"learning_rate,omitempty"`
	Tokens          int64              `json:"tokens,omitempty"`
	TokensPerSecond float64            `json:"tokens_per_second,omitempty"`
	MemoryBytes     int64              `json:"memory_bytes,omitempty"`
	Device          string             `json:"device,omitempty"`
	Checkpoint      int                `json:"checkpoint,omitempty"` // step of the last one that is stored
	BestStep        int                `json:"best_step,omitempty"`
	Metrics         map[string]float64 `json:"metrics,omitempty"`      // of the last evaluation
	BaseMetrics     map[string]float64 `json:"base_metrics,omitempty"` // of the base model
	ETASeconds      float64            `json:"eta_seconds,omitempty"`
	Trouble         string             `json:"trouble,omitempty"` // what fails at the moment and is tried again
}

// TrainRun says how a run of the trainer ended. Only faults that are worth a
// retry are errors; the rest are outcomes that the workflow acts on.
type TrainRun struct {
	Ended  string      `json:"ended"` // training.EndedDone, …
	Report TrainReport `json:"report"`
	Tally  Tally       `json:"tally"`
}

// trainPulse is the detail of a heartbeat.
type trainPulse struct {
	Tally  Tally       `json:"tally"`
	Report TrainReport `json:"report"`
}

// SignalTraining tells a training workflow where its run stands: a TrainReport.
const SignalTraining = "training"

// trainRun is one call of RunTraining.
type trainRun struct {
	a       *Train
	in      TrainRunInput
	token   string // of this attempt: fences what it stores
	dir     string // its files
	devices string
	model   training.Model

	mu        sync.Mutex
	pulse     trainPulse
	events    []training.Event // of the whole job up to now
	resumed   int              // step that this process began at
	firstStep time.Time        // when the process had done its first step
	work      string           // work_dir of the process
	launched  time.Time        // when the process was started
	startup   time.Duration    // from there to its first step

	stopping chan struct{} // closed to stop the trainer
	stopOnce sync.Once
	why      error // valid when stopping is closed
	saver    *saver
}

// Why a run is stopped.
var (
	errCancelled = errors.New("cancelled")
	errBudget    = errors.New("budget")
)

// RunTraining trains with a GPU in hand until the job is done, or is asked to
// stop, or the money is spent. Whatever happens, it goes on from the newest
// whole checkpoint.
func (a *Train) RunTraining(ctx context.Context, in TrainRunInput) (TrainRun, error) {
	r := &trainRun{a: a, in: in, stopping: make(chan struct{}), token: attemptToken(ctx)}
	r.pulse.Tally = in.Before
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &r.pulse); err != nil {
			return TrainRun{}, fault.Wrap(fault.Input, "read heartbeat of", in.Job, err)
		}
	}
	heartbeatDetails(ctx, func() any { return r.snapshot() })
	done, err := a.output(ctx, in.Tenant, in.Job)
	if err != nil {
		return TrainRun{}, err
	}
	if done != nil && done.Outcome.Ended == training.EndedDone {
		return r.outcome(training.EndedDone), nil // stored, but the answer was lost
	}
	devices, release, err := a.GPUs.Lease(ctx, 1)
	if err != nil {
		return TrainRun{}, err
	}
	defer release()
	r.devices = devices
	if r.dir, err = os.MkdirTemp(a.Scratch, "train-"); err != nil {
		return TrainRun{}, fault.Wrap(fault.Capacity, "train", in.Job, err)
	}
	defer os.RemoveAll(r.dir)
	defer r.tidy()
	return r.train(ctx)
}

func attemptToken(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	sum := video.NewFingerprint("attempt", info.WorkflowExecution.RunID, info.ActivityID, fmt.Sprint(info.Attempt))
	return hex.EncodeToString([]byte(sum[:6]))
}

func (r *trainRun) snapshot() trainPulse {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pulse
}

// update changes the pulse.
func (r *trainRun) update(change func(p *trainPulse)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.pulse)
}

func (r *trainRun) outcome(ended string) TrainRun {
	p := r.snapshot()
	return TrainRun{Ended: ended, Report: p.Report, Tally: p.Tally}
}

// stop asks the trainer to stop; the first reason counts.
func (r *trainRun) stop(why error) {
	r.stopOnce.Do(func() { r.why = why; close(r.stopping) })
}

// watch stops the trainer when the workflow or the worker wants it to. A worker
// that stops gives it all the time it has: nothing waits for the interceptor.
func (r *trainRun) watch(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-activity.GetWorkerStopChannel(ctx):
		r.stop(errStopping)
	case <-ctx.Done():
		r.stop(errCancelled)
	}
}

// train prepares the files and runs trainer processes until one of them settles it.
func (r *trainRun) train(ctx context.Context) (TrainRun, error) {
	started := time.Now()
	before := r.snapshot().Tally.Seconds
	defer func() { r.update(func(p *trainPulse) { p.Tally.Seconds = before + time.Since(started).Seconds() }) }()
	if err := r.findModel(ctx); err != nil {
		return TrainRun{}, err
	}
	job, err := r.job(ctx)
	if err != nil {
		return TrainRun{}, err
	}
	meter, err := r.a.newMeter(ctx, r)
	if err != nil {
		return r.settle(ctx, err)
	}
	done := make(chan struct{})
	var aside sync.WaitGroup
	aside.Go(func() { r.watch(ctx, done) })
	aside.Go(func() { meter.run(ctx, done) })
	aside.Go(func() { r.tell(ctx, done) })
	r.saver = newSaver(r)
	job, err = r.processes(ctx, job)
	err = errors.Join(err, r.saver.flush())
	close(done)
	aside.Wait()
	r.update(func(p *trainPulse) { p.Tally.Seconds = before + time.Since(started).Seconds() })
	if err == nil {
		err = r.keepOutput(context.WithoutCancel(ctx), job)
	}
	return r.settle(ctx, errors.Join(err, meter.err))
}

// processes runs the trainer, with a smaller micro-batch each time that the GPU
// has no room for it. It returns the job as the last process had it.
func (r *trainRun) processes(ctx context.Context, job training.Job) (training.Job, error) {
	for {
		r.update(func(p *trainPulse) { p.Tally.Attempts++; r.launched = time.Now() })
		// The trainer's end is asked for by r.stopping: it must have the time to
		// write a checkpoint, which the end of ctx would not give it.
		err := r.a.Trainer.Run(context.WithoutCancel(ctx), job, r.devices, r.stopping, r.take)
		if !errors.Is(err, training.ErrOutOfMemory) {
			return job, err
		}
		micro, accumulation, ok := training.SmallerBatch(job.MicroBatch, job.Accumulation)
		if !ok {
			return job, err
		}
		if err := r.saver.flush(); err != nil {
			return job, err
		}
		r.update(func(p *trainPulse) { p.Tally.MicroBatch, p.Tally.Accumulation = micro, accumulation })
		if job, err = r.job(ctx); err != nil {
			return job, err
		}
	}
}

// settle turns the end of the trainer into an outcome or an error.
func (r *trainRun) settle(ctx context.Context, err error) (TrainRun, error) {
	switch {
	case err == nil:
		return r.outcome(training.EndedDone), nil
	case errors.Is(err, training.ErrOutOfMemory):
		return r.outcome(training.EndedOutOfMemory), nil
	case fault.ClassOf(err) == fault.Budget || r.stopped(errBudget):
		return r.outcome(training.EndedBudget), nil
	case r.stopped(errCancelled):
		return r.outcome(training.EndedStopped), nil
	case r.stopped(errStopping):
		return TrainRun{}, errStopping
	}
	return TrainRun{}, r.again(ctx, err)
}

// again has what may pass tried again for as long as training gets on. Temporal
// counts attempts, and preemptions among them, so the count here is our own.
func (r *trainRun) again(ctx context.Context, err error) error {
	if fault.ClassOf(err) != fault.Transport {
		return err
	}
	r.update(func(p *trainPulse) { p.Tally.Failures++ })
	activity.RecordHeartbeat(ctx, r.snapshot())
	again := &fault.Error{Class: fault.Preempted, Op: "train", Subject: r.in.Job, Reason: "it is tried again from the last checkpoint", Err: err}
	if r.snapshot().Tally.Failures >= transportAttempts {
		again.Class, again.Reason = fault.Input, "it failed again and again without gaining a step"
	}
	return again
}

func (r *trainRun) stopped(why error) bool {
	select {
	case <-r.stopping:
		return errors.Is(r.why, why)
	default:
		return false
	}
}

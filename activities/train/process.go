package train

import (
	"context"
	"errors"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// train prepares the files and runs trainer processes until one of them determines the
// outcome.
func (r *attempt) train(ctx context.Context) (Run, error) {
	if err := r.findModel(ctx); err != nil {
		return Run{}, err
	}
	job, err := r.job(ctx)
	if err != nil {
		return Run{}, err
	}
	done := make(chan struct{})
	var aside panics.Group
	for _, look := range []func(context.Context, <-chan struct{}){r.watch, r.signalProgress, r.keepLog} {
		aside.Go(func() error {
			err := panics.Try(func() error { look(ctx, done); return nil })
			if err != nil {
				r.stop(err)
			}
			return err
		})
	}
	r.saver = newSaver(r)
	job, err = r.processes(ctx, job)
	flushed := r.saver.flush()
	if err == nil { // the last checkpoint is not needed any more, stored or not
		err = r.keepOutput(context.WithoutCancel(ctx), job)
	} else {
		err = errors.Join(err, flushed)
	}
	close(done)
	failed := aside.Wait()
	r.log.ended(err)
	r.storeLog(ctx) // no one else writes it now
	if failed != nil {
		return Run{}, failed
	}
	return r.settle(err)
}

// processes runs the trainer, with a smaller micro-batch each time it runs out of GPU
// memory. It returns the job of the last process.
func (r *attempt) processes(ctx context.Context, job training.Job) (training.Job, error) {
	for {
		err := r.process(ctx, job)
		if !errors.Is(err, training.ErrOutOfMemory) || r.isStopping() {
			return job, err
		}
		micro, accumulation, ok := estimate.SmallerBatch(job.MicroBatch, job.Accumulation)
		if !ok {
			return job, err
		}
		if err := r.saver.flush(); err != nil {
			return job, err
		}
		r.update(func(p *Pulse) { p.Tally.MicroBatch, p.Tally.Accumulation = micro, accumulation })
		if job, err = r.job(ctx); err != nil {
			return job, err
		}
	}
}

// process runs one trainer process and books its time, however it ends.
func (r *attempt) process(ctx context.Context, job training.Job) error {
	paid, err := r.startMeter(ctx)
	if err != nil {
		return err
	}
	r.update(func(p *Pulse) {
		p.Tally.Attempts++
		r.launched = time.Now()
		r.phased = r.launched
	})
	r.log.say("training on %s, micro-batch %d × %d", r.in.Class, job.MicroBatch, job.Accumulation)
	// The trainer is stopped by r.stopping, not by ctx: it must have time to write a
	// checkpoint. A panic must not leave the meter running.
	err = panics.Try(func() error {
		return r.a.Trainer.Run(context.WithoutCancel(ctx), job, r.devices, r.log, r.stopping, r.take)
	})
	r.log.end()
	meterErr, booked := paid()
	if err == nil && booked {
		return nil // it finished before the stop
	}
	return errors.Join(err, meterErr)
}

// settle turns the end of the trainer into an outcome or an error.
func (r *attempt) settle(err error) (Run, error) {
	switch {
	case err == nil:
		return r.outcome(training.EndedDone), nil
	case fault.ClassOf(err) == fault.Budget || r.stopped(errBudget):
		out := r.outcome(training.EndedBudget)
		out.Blocked, _ = errors.AsType[*money.Blocked](err)
		return out, nil
	case r.stopped(errCancelled):
		return r.outcome(training.EndedStopped), nil
	case errors.Is(err, training.ErrOutOfMemory):
		return r.outcome(training.EndedOutOfMemory), nil
	case r.stopped(activities.ErrStopping):
		return Run{}, activities.ErrStopping
	case r.stopped(errHeld):
		return Run{}, errHeld
	}
	return Run{}, r.again(err)
}

// again retries transient failures for as long as training makes progress. Temporal's count
// of attempts includes preemptions, so this has a count of its own.
func (r *attempt) again(err error) error {
	if fault.ClassOf(err) != fault.Transport {
		return err
	}
	r.update(func(p *Pulse) { p.Tally.Failures++ })
	again := &fault.Error{Class: fault.Preempted, Op: "train", Subject: r.in.Job, Reason: "retried from the last checkpoint", Err: err}
	if r.snapshot().Tally.Failures >= activities.TransportAttempts {
		again.Class, again.Reason = fault.Input, "it failed repeatedly without completing a step"
	}
	return again
}

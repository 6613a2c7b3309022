package train

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// take records an event of the trainer. It is called in order, one event at a time.
func (r *attempt) take(e training.Event) error {
	switch e.Event {
	case training.EventCheckpoint:
		return r.takeCheckpoint(e)
	case training.EventPhase:
		if e.Phase != training.PhaseEnd { // a phase of the process, not of the job
			r.update(func(p *Pulse) {
				if phase := safetext.Line(e.Phase, maxPhase); p.Report.Phase != phase {
					p.Report.Phase, r.phased = phase, time.Now()
				}
			})
		}
		return nil
	case training.EventError: // the end of the trainer reports the same
		return nil
	}
	if err := r.remember(e); err != nil {
		return err
	}
	r.update(func(p *Pulse) {
		switch e.Event {
		case training.EventDevice:
			p.Report.Device = e.Device
		case training.EventStep:
			r.takeStep(p, e)
		case training.EventEval:
			if e.Of == training.OfBase {
				p.Report.BaseMetrics = e.Metrics
			} else {
				p.Report.Metrics = e.Metrics
			}
		}
	})
	return nil
}

const (
	maxPhase  = 64        // bytes that are shown of the name of a phase
	maxEvents = 512 << 20 // bytes of the events of a job: those of more than half a million steps

	maxKeptEvents = 1 << 30 // bytes of the events beside a checkpoint
	maxRowsBytes  = 1 << 30 // of one evaluation
)

// remember keeps an event for the output. A trainer that sends events without end must not
// use up the worker's memory.
func (r *attempt) remember(e training.Event) error {
	if r.eventBytes += e.Size(); r.eventBytes > maxEvents {
		return fault.New(fault.Input, "train", r.in.Job, fmt.Sprintf("its events take more than %d MiB", maxEvents>>20))
	}
	r.update(func(*Pulse) { r.events = append(r.events, e) })
	return nil
}

func (r *attempt) takeStep(p *Pulse, e training.Event) {
	now := time.Now()
	if r.firstStep.IsZero() {
		r.firstStep, r.resumed, r.startup = now, e.Step, now.Sub(r.launched)
	}
	p.Report.ETASeconds = 0
	if done := e.Step - r.resumed; done > 0 {
		p.Report.ETASeconds = now.Sub(r.firstStep).Seconds() / float64(done) * float64(e.Total-e.Step)
	}
	p.Tally.Reached, p.Tally.Failures = max(p.Tally.Reached, e.Step), 0
	p.Report.Step, p.Report.Total, p.Report.Epoch = e.Step, e.Total, e.Epoch
	p.Report.Loss, p.Report.LearningRate = e.Loss, e.LearningRate
	p.Report.Tokens, p.Report.TokensPerSecond = e.Tokens, e.TokensPerSecond
	p.Report.MemoryBytes = max(p.Report.MemoryBytes, e.MemoryBytes)
}

func (r *attempt) takeCheckpoint(e training.Event) error {
	if err := r.remember(e); err != nil {
		return err
	}
	r.update(func(p *Pulse) { p.Report.BestStep = e.BestStep })
	c, err := r.keep(e.Path, e.Step)
	if err != nil {
		return err
	}
	r.saver.save(c)
	return nil
}

// How often a workflow receives the progress of its run: often at first, then each fiftieth
// of the elapsed time, so that a run of days does not fill its history. The heartbeat has
// newer values.
const (
	tellAtFirst = 2 * time.Second
	tellPart    = 50
)

// signalProgress sends the progress to the workflow from time to time.
func (r *attempt) signalProgress(ctx context.Context, done <-chan struct{}) {
	run := activity.GetInfo(ctx).WorkflowExecution
	began := time.Now()
	var told Report
	for {
		timer := time.NewTimer(max(tellAtFirst, time.Since(began)/tellPart))
		select {
		case <-done:
			timer.Stop()
			return
		case <-timer.C:
		}
		now := r.snapshot()
		if reflect.DeepEqual(now.Report, told) {
			continue
		}
		// The next signal is newer, and the result of the activity repeats it.
		if r.a.Runs.Signal(ctx, run.ID, run.RunID, SignalTraining, Signal{now.Report, &now.Tally}) == nil {
			told = now.Report
		}
	}
}

// lastWait is how long the end of an attempt waits for its last signal.
const lastWait = 2 * time.Second

// signalLast sends the progress of a failed attempt, which does not fit into the error: to
// the next attempt, and to the workflow in case the next attempt is cancelled before it
// begins.
func (r *attempt) signalLast(ctx context.Context) {
	now, run := r.snapshot(), activity.GetInfo(ctx).WorkflowExecution
	activity.RecordHeartbeat(context.WithoutCancel(ctx), now)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
	defer cancel()
	// Without it the next attempt still has the heartbeat.
	_ = r.a.Runs.Signal(ctx, run.ID, run.RunID, SignalTraining, Signal{now.Report, &now.Tally})
}

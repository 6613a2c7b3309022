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

// take notes what the trainer says. It is called in order, one event at a time.
func (r *attempt) take(e training.Event) error {
	switch e.Event {
	case training.EventCheckpoint:
		return r.takeCheckpoint(e)
	case training.EventPhase:
		if e.Phase != training.PhaseEnd { // of the process, not of the job
			r.update(func(p *Pulse) { p.Report.Phase = safetext.Line(e.Phase, maxPhase) })
		}
		return nil
	case training.EventError: // the trainer's end says the same
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

// remember keeps an event for the output. What a trainer says without end must not take the
// memory of the worker.
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

// How often a workflow is told where its run stands: often at first, then each
// fiftieth of the time gone, so that a run of days does not fill its history.
// Whoever wants to know better reads the heartbeat.
const (
	tellAtFirst = 2 * time.Second
	tellPart    = 50
)

// tell signals the workflow now and then.
func (r *attempt) tell(ctx context.Context, done <-chan struct{}) {
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
		// The next one says more, and the end of the activity says it all.
		if r.a.Runs.Signal(ctx, run.ID, run.RunID, SignalTraining, Signal{now.Report, &now.Tally}) == nil {
			told = now.Report
		}
	}
}

// lastWait is how long the end of an attempt waits for its last signal.
const lastWait = 2 * time.Second

// tellLast says what an attempt that failed came to, which the error has no room
// for: to the next attempt, and to the workflow in case that the next one is
// cancelled before it begins.
func (r *attempt) tellLast(ctx context.Context) {
	now, run := r.snapshot(), activity.GetInfo(ctx).WorkflowExecution
	activity.RecordHeartbeat(context.WithoutCancel(ctx), now)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
	defer cancel()
	// Without it the next attempt still has the heartbeat.
	_ = r.a.Runs.Signal(ctx, run.ID, run.RunID, SignalTraining, Signal{now.Report, &now.Tally})
}

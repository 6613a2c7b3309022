package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/checkpoints"
	"github.com/cogniverse/cogflow/activities/train/history"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// resume fetches the newest complete checkpoint; "" = there is none. A damaged one is
// skipped.
func (r *attempt) resume(ctx context.Context) (string, error) {
	if err := r.rescue(ctx); err != nil {
		return "", err
	}
	whole, _, err := checkpoints.List(ctx, r.a.Store, r.in.Tenant, r.in.Job)
	if err != nil {
		return "", err
	}
	for _, prefix := range whole {
		dir, step, events, err := r.fetchCheckpoint(ctx, prefix)
		if activities.Absent(err) {
			continue // damaged by a crash of the machine, or just removed
		}
		if other, ok := errors.AsType[*otherFormatError](err); ok {
			// A worker whose trainer reads it loses no step; without one, an older
			// checkpoint or a new start is better than a failed job.
			pinned := fmt.Sprintf("checkpoints of version %d", other.version)
			if err := r.a.others.HandBack(ctx, "resume training", r.in.Job, pinned); err != nil {
				return "", err
			}
			continue
		}
		if err != nil {
			return "", err
		}
		r.begin(step, events)
		return dir, nil
	}
	r.begin(0, nil)
	return "", nil
}

// begin records where this attempt continues, and how much is computed again.
func (r *attempt) begin(step int, events []training.Event) {
	r.update(func(p *Pulse) {
		if !r.in.Finish { // finishing computes no step again
			p.Tally.Redone += max(0, p.Tally.Reached-step)
			p.Tally.Reached = step
		}
		p.Report.Step, p.Report.Checkpoint = step, step
		r.resumed, r.events, r.eventBytes, r.firstStep = step, events, 0, time.Time{}
		for _, e := range events {
			r.eventBytes += e.Size()
			switch {
			case e.Event == training.EventCheckpoint:
				p.Report.BestStep = e.BestStep
			case e.Event == training.EventEval && e.Of == training.OfBase:
				p.Report.BaseMetrics = e.Metrics
			case e.Event == training.EventEval:
				p.Report.Metrics = e.Metrics
			}
		}
	})
}

// otherFormatError: the trainer of another build wrote a checkpoint in a version that this
// one cannot read.
type otherFormatError struct{ version int }

func (e *otherFormatError) Error() string {
	return fmt.Sprintf("the checkpoint has version %d, this worker reads %d", e.version, training.ProtocolVersion)
}

func (r *attempt) fetchCheckpoint(ctx context.Context, prefix string) (dir string, step int, events []training.Event, err error) {
	var m training.StoredCheckpoint
	if err := activities.ReadJSON(ctx, r.a.Store, prefix+training.ManifestName, &m); err != nil {
		return "", 0, nil, err
	}
	if m.Version != training.ProtocolVersion {
		return "", 0, nil, &otherFormatError{m.Version}
	}
	if dir, err = os.MkdirTemp(r.dir, "resume-"); err != nil {
		return "", 0, nil, fault.Disk("make directory for checkpoint in", r.dir, err)
	}
	dir = filepath.Join(dir, fmt.Sprintf("%08d", m.Step))
	for _, f := range m.Files {
		if f.Name == training.EventsName {
			events, err = history.Read(ctx, r.a.Store, prefix+m.Token+"/"+f.Name)
		} else {
			err = activities.FetchFile(ctx, r.a.Store, prefix+m.Token+"/", f, dir)
		}
		if err != nil {
			return "", 0, nil, err
		}
	}
	return dir, m.Step, events, nil
}

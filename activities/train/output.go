package train

import (
	"context"
	"errors"
	"io/fs"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/checkpoints"
	"github.com/cogniverse/cogflow/activities/train/history"
	"github.com/cogniverse/cogflow/activities/train/speeds"
	"github.com/cogniverse/cogflow/activities/train/untrusted"
	"github.com/cogniverse/cogflow/training"
)

// keepOutput stores the result of the job: weights, evaluations, events, and the manifest
// last. After it the checkpoints are not needed.
func (r *attempt) keepOutput(ctx context.Context, job training.Job) error {
	prefix := training.OutputPrefix(r.in.Tenant, r.in.Job)
	work, err := untrusted.Open(r.work)
	if err != nil {
		return err
	}
	defer work.Close()
	out := training.Output{Version: training.ProtocolVersion, Job: r.in.Job, Token: r.token}
	for _, folder := range []string{"output", "evals"} {
		within := ""
		if folder == "evals" {
			within = training.EvalsFolder
		}
		dir, err := work.Below(folder)
		if errors.Is(err, fs.ErrNotExist) && folder == "evals" {
			continue // nothing was held out
		}
		if err != nil {
			return err
		}
		files, err := storeTree(ctx, r.a.Store, dir, prefix+r.token+"/"+within)
		if err = errors.Join(err, dir.Close()); err != nil {
			return err
		}
		for _, f := range files {
			f.Name = within + f.Name
			out.Files = append(out.Files, f)
		}
	}
	events, err := history.Write(ctx, r.a.Store, prefix+r.token+"/"+training.EventsName, r.events)
	if err != nil {
		return err
	}
	out.Files = append(out.Files, events)
	if out.Outcome, err = r.figures(job); err != nil {
		return err
	}
	if err := activities.WriteManifest(ctx, r.a.Store, prefix+training.ManifestName, out); err != nil {
		return err
	}
	if out.Outcome.Ended != training.EndedDone {
		return nil // a later run may continue training
	}
	if err := r.keepSpeed(ctx); err != nil {
		return err
	}
	return checkpoints.Prune(ctx, r.a.Store, r.in.Tenant, r.in.Job, 0)
}

// figures computes the outcome of the job from its events.
func (r *attempt) figures(job training.Job) (training.Outcome, error) {
	p := r.snapshot()
	o := training.Outcome{
		Ended: training.EndedDone, Steps: p.Report.Step, Total: p.Report.Total, Tokens: p.Report.Tokens,
		Seconds: p.Tally.Seconds, CostUSD: float64(p.Tally.CostMicroUSD) / 1e6, GPU: r.in.Class, Device: p.Report.Device,
		MemoryBytes: p.Report.MemoryBytes, MicroBatch: job.MicroBatch, Attempts: p.Tally.Attempts, Redone: p.Tally.Redone,
		Unsandboxed: r.a.Unsandboxed, Clock: job.Clock,
	}
	if r.in.Finish {
		o.Ended = training.EndedStopped
	}
	var base, best string
	for _, e := range r.events {
		switch e.Event {
		case training.EventDevice:
			o.Versions = e.Versions
		case training.EventData:
			o.Data = e.Data
		case training.EventStep: // of former attempts, if this one made no step
			o.Steps, o.Total, o.Tokens = e.Step, e.Total, e.Tokens
		case training.EventCheckpoint:
			o.Checkpoints++
		case training.EventDone:
			o.BestStep = e.BestStep
		case training.EventEval:
			switch e.Of {
			case training.OfBase:
				o.BaseMetrics, base = e.Metrics, e.Rows
			case training.OfBest:
				o.Metrics, best = e.Metrics, e.Rows
			}
		}
	}
	if base == "" || best == "" {
		return o, nil
	}
	comparison, err := r.compare(base, best)
	o.Comparison = &comparison
	return o, err
}

func (r *attempt) compare(base, best string) (training.Comparison, error) {
	work, err := untrusted.Open(r.work)
	if err != nil {
		return training.Comparison{}, err
	}
	defer work.Close()
	var rows [2][]training.RowValues
	for i, name := range []string{base, best} {
		file, err := work.Open(name, maxRowsBytes)
		if err != nil {
			return training.Comparison{}, err
		}
		rows[i], err = training.ReadRowValues(file)
		_ = file.Close()
		if err != nil {
			return training.Comparison{}, err
		}
	}
	out, err := training.Compare(r.in.Spec.Method, rows[0], rows[1])
	return out.Against(r.in.Spec.Start), err
}

// keepSpeed records the speed of this run for later estimates.
func (r *attempt) keepSpeed(ctx context.Context) error {
	p := r.snapshot()
	if p.Report.TokensPerSecond <= 0 || p.Tally.Attempts != 1 {
		return nil // an interrupted run says little
	}
	return speeds.Keep(ctx, r.a.Store, r.in.Tenant, r.in.Spec, r.in.Class, p.Report.TokensPerSecond, r.startup.Seconds())
}

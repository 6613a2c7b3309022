// Package measure counts the tokens of a dataset before a GPU is taken, with the tokenizer and
// the chat template of the base model: the trainer process does it, without weights. Where
// there is no trainer, the lengths of a dataset remain estimates.
package measure

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/images"
	"github.com/cogniverse/cogflow/activities/train/untrusted"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

const op = "measure dataset"

// BaseModels finds base models on this worker's disk.
type BaseModels interface {
	Find(ctx context.Context, name string) (training.Model, error)
}

// Trainer runs one trainer process.
type Trainer interface {
	// Check returns the installed versions, or an error that says what is missing.
	Check(ctx context.Context) (map[string]string, error)
	// Run is that of the port of package train.
	Run(ctx context.Context, job training.Job, devices string, log io.Writer, stop <-chan struct{}, on func(training.Event) error) error
}

// Counter counts the tokens of datasets. Make one with New or Without.
type Counter struct {
	store   activities.Store
	models  BaseModels
	trainer Trainer // nil = none, see why
	why     string  // why this worker has no trainer
	scratch string  // directory for temporary files; empty = the system's
	one     *semaphore.Weighted
}

// New returns the counter of a worker with a trainer.
func New(store activities.Store, models BaseModels, trainer Trainer, scratch string) *Counter {
	// A process has the libraries in memory, about 1 GiB.
	return &Counter{store: store, models: models, trainer: trainer, scratch: scratch, one: semaphore.NewWeighted(1)}
}

// Without returns the counter of a worker that cannot run a trainer.
func Without(why string) *Counter { return &Counter{why: why} }

// Input names the rows and what determines their tokens.
type Input struct {
	Tenant tenant.ID
	Spec   training.Spec
	Train  training.File
	Eval   *training.File // nil = no held-out rows
}

// Measured is what the tokenizer counted.
type Measured struct {
	Data     *training.DataStats `json:"data,omitempty"`     // nil = not measured
	Findings []training.Finding  `json:"findings,omitempty"` // problems of rows
	Why      string              `json:"why,omitempty"`      // why it was not measured
}

// Count counts tokens as training would, and finds rows that the tokenizer and the chat
// template show to be wrong. Without rows that can be formatted there are no counts. What training would refuse is an input fault. Any
// other failure, and an end that comes too late for the caller, leave the dataset unmeasured,
// with the reason. The base model is checked too, by its names and shapes.
func (c *Counter) Count(ctx context.Context, in Input) (Measured, error) {
	switch {
	case c == nil:
		return Measured{Why: "this worker has no trainer"}, nil
	case c.trainer == nil:
		return Measured{Why: c.why}, nil
	}
	key, err := training.LengthsKey(in.Tenant, in.Spec)
	if err != nil {
		return Measured{}, err
	}
	within, cancel := inTime(ctx)
	defer cancel()
	if err := c.one.Acquire(within, 1); err != nil {
		return unmeasured(ctx, within, err)
	}
	defer c.one.Release(1)
	var known Measured
	if err := activities.ReadJSON(ctx, c.store, key, &known); err == nil {
		return known, nil
	} else if !activities.Absent(err) {
		return Measured{}, err
	}
	out, err := c.run(ctx, within, in)
	if err == nil && out.Data != nil {
		err = activities.WriteJSON(ctx, c.store, key, out)
	}
	return out, err
}

// inTime leaves the caller a quarter of its time: runs of earlier builds gave a plan a minute.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithTimeoutCause(ctx, time.Until(end)*3/4, errLate)
	}
	return context.WithCancel(ctx)
}

var errLate = errors.New("the tokenizer did not finish in time")

// run counts with a trainer process.
func (c *Counter) run(ctx, within context.Context, in Input) (Measured, error) {
	model, err := c.models.Find(ctx, in.Spec.Model)
	if err != nil {
		return Measured{}, err
	}
	if _, err := c.trainer.Check(within); err != nil {
		return unmeasured(ctx, within, err)
	}
	dir, err := os.MkdirTemp(c.scratch, "measure-")
	if err != nil {
		return Measured{}, fault.Disk(op+" in", cmp.Or(c.scratch, os.TempDir()), err)
	}
	defer func() { _ = untrusted.RemoveTree(dir) }() // otherwise the next start of the worker removes it
	job, err := c.job(ctx, in, model, dir)
	if err != nil {
		return Measured{}, err
	}
	var out Measured
	err = c.trainer.Run(within, job, "", nil, nil, func(e training.Event) error {
		if e.Data != nil {
			out.Data = e.Data
		}
		out.Findings = append(out.Findings, e.Findings...)
		return nil
	})
	switch {
	case err == nil && out.Data == nil && len(out.Findings) == 0:
		return Measured{Why: "the trainer reported no counts"}, nil
	case err == nil:
		return out, nil
	case within.Err() == nil && fault.ClassOf(err) == fault.Input:
		return Measured{}, err
	default:
		return unmeasured(ctx, within, err)
	}
}

// unmeasured is the reason of a failure, unless the caller itself has ended.
func unmeasured(ctx, within context.Context, err error) (Measured, error) {
	switch {
	case ctx.Err() != nil:
		return Measured{}, context.Cause(ctx)
	case within.Err() != nil:
		err = context.Cause(within)
	}
	return Measured{Why: safetext.Line(err.Error(), safetext.MaxReason)}, nil
}

// job is the trainer's document. The device is the CPU, whatever the job will train on.
func (c *Counter) job(ctx context.Context, in Input, model training.Model, dir string) (training.Job, error) {
	id, err := in.Spec.JobID()
	if err != nil {
		return training.Job{}, err
	}
	job := training.Job{
		Version: training.ProtocolVersion, Job: id, Method: in.Spec.Method, Model: model, WorkDir: filepath.Join(dir, "work"),
		Seed: in.Spec.Seed, Numerics: training.FP32, Device: "cpu", MicroBatch: in.Spec.Config.BatchSize, Accumulation: in.Spec.Config.Accumulation,
		Config: in.Spec.Config, LoRA: in.Spec.LoRA, Measure: true, Clock: time.Now().UTC().Format(time.RFC3339),
	}
	if err := os.Mkdir(job.WorkDir, 0o700); err != nil {
		return training.Job{}, fault.Disk(op+" in", dir, err)
	}
	fetch := func(f training.File, name string) (training.File, error) {
		f.Path = filepath.Join(dir, name)
		err := activities.FetchObject(ctx, c.store, training.DatasetKey(in.Tenant, f.SHA256), f.Path)
		if activities.Absent(err) {
			err = fault.Wrap(fault.Input, "read dataset", f.SHA256, err)
		}
		return f, err
	}
	if job.Train, err = fetch(in.Train, "train.jsonl"); err != nil {
		return job, err
	}
	if in.Eval != nil {
		eval, err := fetch(*in.Eval, "eval.jsonl")
		if err != nil {
			return job, err
		}
		job.Eval = &eval
	}
	job.Images, err = images.Fetch(ctx, c.store, in.Tenant, dir, &job.Train, job.Eval)
	return job, err
}

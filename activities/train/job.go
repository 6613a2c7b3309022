package train

import (
	"context"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/clock"
	"github.com/cogniverse/cogflow/activities/train/images"
	"github.com/cogniverse/cogflow/activities/train/origin"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

func (r *attempt) findModel(ctx context.Context) error {
	model, err := r.a.Models.Find(ctx, r.in.Spec.Model)
	if err != nil {
		return err
	}
	if model.Revision != r.in.Spec.Revision {
		return fault.New(fault.Input, "train", r.in.Spec.Model,
			"this worker has revision "+model.Revision+" of the base model, the job requires "+r.in.Spec.Revision+
				"; give all workers the same files")
	}
	r.model = model
	return nil
}

// job writes the trainer's job: its data, and where to continue.
func (r *attempt) job(ctx context.Context) (training.Job, error) {
	tally := r.snapshot().Tally
	work, err := os.MkdirTemp(r.dir, "work-")
	if err != nil {
		return training.Job{}, fault.Disk("make work directory in", r.dir, err)
	}
	r.work = work
	job := training.Job{
		Version: training.ProtocolVersion, Job: r.in.Job, Method: r.in.Spec.Method, Model: r.model,
		WorkDir: work, Seed: r.in.Spec.Seed, Numerics: r.in.Spec.Numerics, Device: "cuda",
		MicroBatch: r.in.MicroBatch, Accumulation: r.in.Accumulation, Config: r.in.Spec.Config, LoRA: r.in.Spec.LoRA,
		CheckpointSeconds: r.in.SaveSeconds, Finish: r.in.Finish, MayDrop: r.in.MayDrop,
	}
	if r.in.Class == "cpu" {
		job.Device = "cpu"
	}
	if job.CheckpointSeconds == 0 {
		job.CheckpointSeconds = r.a.SaveEvery
	}
	if tally.MicroBatch > 0 && tally.MicroBatch < job.MicroBatch {
		job.MicroBatch, job.Accumulation = tally.MicroBatch, tally.Accumulation
	}
	if job.Train, err = r.rows(ctx, r.in.Train, "train.jsonl"); err != nil {
		return training.Job{}, err
	}
	if r.in.Eval != nil {
		eval, err := r.rows(ctx, *r.in.Eval, "eval.jsonl")
		if err != nil {
			return training.Job{}, err
		}
		job.Eval = &eval
	}
	if job.Images, err = images.Fetch(ctx, r.a.Store, r.in.Tenant, r.dir, &job.Train, job.Eval); err != nil {
		return training.Job{}, err
	}
	if job.Start, err = origin.Fetch(ctx, r.a.Store, r.in.Tenant, r.in.Spec.Start, r.dir); err != nil {
		return training.Job{}, err
	}
	if job.Resume, err = r.resume(ctx); err != nil {
		return training.Job{}, err
	}
	job.Clock, err = clock.Pin(ctx, r.a.Store, r.in.Tenant, r.in.Job, job.Resume != "", r.a.now)
	if err == nil && job.Resume == "" && job.Finish {
		err = fault.New(fault.Input, "finish training", r.in.Job, "no checkpoint was written yet, so nothing can be kept")
	}
	return job, err
}

// rows fetches a dataset, once.
func (r *attempt) rows(ctx context.Context, f training.File, name string) (training.File, error) {
	f.Path = filepath.Join(r.dir, name)
	if _, err := os.Stat(f.Path); err == nil {
		return f, nil
	}
	err := activities.FetchObject(ctx, r.a.Store, training.DatasetKey(r.in.Tenant, f.SHA256), f.Path)
	if activities.Absent(err) {
		err = fault.Wrap(fault.Input, "read dataset", f.SHA256, err)
	}
	return f, err
}

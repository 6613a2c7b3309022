package main

import (
	"context"
	"slices"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/activities/train/measure"
	"github.com/cogniverse/cogflow/internal/basemodel"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/program"
	trainreport "github.com/cogniverse/cogflow/internal/report/train"
	"github.com/cogniverse/cogflow/internal/trainer"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
)

// training builds the dependencies of the training activities, in addition to those of
// ingestion.
func (h *health) training(ctx context.Context, c config.Config, getenv func(string) string, pools []pool) (*train.Activities, error) {
	a := h.ingest
	counted, err := h.telemetry.CountedGPU(a.Ledger)
	if err != nil {
		return nil, err
	}
	t := &train.Activities{
		Store: a.Store, Documents: a.Sources, Ledger: counted, Runs: a.Runs, Scratch: a.Scratch, Kept: c.Scratch, Version: version, Unsandboxed: c.NoSandbox,
		Redactor: program.Redactor(c, getenv), Prices: c.Training.Prices, SaveEvery: c.Training.CheckpointSeconds,
		Reports: train.Reports{Train: trainreport.Render, Sweep: trainreport.RenderSweep},
	}
	places := map[string]basemodel.Place{}
	for name, m := range c.Training.Models {
		places[name] = basemodel.Place{Path: m.Path, Repo: m.Repo, Revision: m.Revision}
	}
	t.Models = basemodel.New(places, c.Training.ModelsDir)
	at := slices.IndexFunc(pools, func(p pool) bool { return p.name == workflows.StemTrain })
	if at < 0 && !slices.ContainsFunc(pools, func(p pool) bool { return p.name == workflows.QueueMain }) {
		return t, nil
	}
	box, err := h.confine(ctx)
	switch {
	case at < 0 && err != nil:
		t.Tokens = measure.Without(safetext.Line(err.Error(), safetext.MaxReason))
		return t, nil
	case err != nil:
		return nil, err
	}
	runner := trainer.New(trainer.Options{
		Python: c.Training.Python, Dir: c.Training.TrainerDir, Grace: c.Training.Grace, Sandbox: box,
		DeviceEnv: h.gpus.Env,
		Memory:    uint64(c.Training.MemoryGiB * (1 << 30)), Processes: uint64(c.Training.MaxProcesses), //nolint:gosec // config has checked the range
	})
	t.Tokens = measure.New(t.Store, t.Models, runner, a.Scratch)
	if at < 0 {
		return t, nil
	}
	h.trainer, t.Trainer = runner, runner
	if t.GPUs, pools[at].tuner, pools[at].slots, err = h.gpus.Training(); err != nil {
		return nil, err
	}
	return t, nil
}

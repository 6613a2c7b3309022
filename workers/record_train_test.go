package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/optimize"
	"github.com/cogniverse/cogflow/workflows/train"
)

// recordTraining records training runs with all kinds of outcomes, and commands on adapters.
func recordTraining(t *testing.T) {
	dir := filepath.Join(recordSource, "lessons")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	s, _ := newTrainStack(t)
	s.worker(nil)
	in := complexJob(writeDataset(t, dir))
	dry := in
	dry.DryRun = true
	bad := in
	bad.BaseModel = "tiny/unknown"
	force := train.ActivateAdapterInput{Name: "support", Force: true}
	second := complexJob(in.Dataset.URI)
	second.Seed = new(int64)
	sweep, err := json.Marshal(in)
	require.NoError(t, err)
	for _, r := range []struct {
		name, kind string
		in         any
	}{
		{"train-dry-run", "TrainSFT", dry},
		{"train", "TrainSFT", in},
		{"train-unchanged", "TrainSFT", in},
		{"train-failed", "TrainSFT", bad},
		{"adapter-activate", "ActivateAdapter", force},
		{"train-second", "TrainSFT", second},
		{"adapter-activate-second", "ActivateAdapter", force},
		{"adapter-rollback", "RollbackAdapter", train.ActivateAdapterInput{Role: "support"}},
		{"adapter-deactivate", "DeactivateAdapter", train.ActivateAdapterInput{Role: "support"}},
		{"adapter-list", "ListAdapters", train.ListAdaptersInput{}},
		{"adapter-show", "ShowAdapter", train.ShowAdapterInput{Name: "support"}},
		{"train-sweep", "TrainSweep", train.SweepInput{
			Method: training.SFT, Train: sweep, Grid: map[string][]json.RawMessage{"seed": {json.RawMessage("3"), json.RawMessage("4")}},
		}},
	} {
		_, err := execute[map[string]any](s, r.name, r.kind, r.in)
		require.Equal(t, strings.HasSuffix(r.name, "-failed"), err != nil, "%s: %v", r.name, err)
		s.record(r.name, s.history(r.name, ""))
	}
	s.record("train-of-sweep", s.history("train-sweep/000", ""))
}

// recordSteered records a run that is cancelled, and one that is paused, resumed and stopped.
func recordSteered(t *testing.T) {
	dir := filepath.Join(recordSource, "steered")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	in := complexJob(writeDataset(t, dir))
	for i, name := range []string{"train-cancelled", "train-stopped"} {
		s, _ := newTrainStack(t)
		s.worker(nil)
		seed := int64(10 + i)
		in.Seed = &seed
		_, err := s.client.ExecuteWorkflow(t.Context(), startOptions(name), "TrainSFT", in)
		require.NoError(t, err)
		s.awaitFile("store/default/training/*/checkpoints/*/manifest.json")
		if name == "train-cancelled" {
			s.temporalCLI("workflow", "cancel", "--workflow-id", name)
			require.Error(t, s.client.GetWorkflow(t.Context(), name, "").Get(t.Context(), nil))
		} else {
			s.temporalCLI("workflow", "signal", "--workflow-id", name, "--name", "pause")
			require.Eventually(t, func() bool { return s.progress(name).Paused && s.progress(name).Waiting != "" }, soon, 100*time.Millisecond)
			s.temporalCLI("workflow", "update", "execute", "--workflow-id", name, "--name", "set_budget", "--input", "1.5")
			s.temporalCLI("workflow", "signal", "--workflow-id", name, "--name", "resume")
			s.temporalCLI("workflow", "signal", "--workflow-id", name, "--name", "stop")
			require.NoError(t, s.client.GetWorkflow(t.Context(), name, "").Get(t.Context(), nil))
		}
		s.record(name, s.history(name, ""))
	}
}

func (s *stack) progress(id string) (p train.Progress) {
	value, err := s.client.QueryWorkflow(s.t.Context(), id, "", workflows.QueryProgress)
	if err == nil {
		_ = value.Get(&p) // after an error, p is empty and the caller polls again
	}
	return p
}

// recordOptimization records runs of all modes, and commands on programs.
func recordOptimization(t *testing.T) {
	c := newLMStack(t)
	c.worker(nil)
	dry := topicInput("improved")
	dry.DryRun = true
	bad := topicInput("compat")
	bad.Metric = json.RawMessage(`{"kind":"exact","field":"colour"}`)
	for _, r := range []struct {
		name, kind string
		in         any
	}{
		{"optimize-dry-run", "OptimizePrompts", dry},
		{"optimize-compat", "OptimizePrompts", topicInput("compat")},
		{"optimize-improved", "OptimizePrompts", topicInput("improved")},
		{"optimize-unchanged", "OptimizePrompts", topicInput("improved")},
		{"optimize-failed", "OptimizePrompts", bad},
		{"program-promote", "PromoteProgram", optimize.ProgramInput{Name: "quiz", Version: 1, Force: true}},
		{"program-canary", "CanaryProgram", optimize.ProgramInput{Name: "quiz", Version: 2, Share: 10, Force: true}},
		{"program-canary-off", "CanaryProgram", optimize.ProgramInput{Name: "quiz"}},
		{"program-rollback", "RollbackProgram", optimize.ProgramInput{Name: "quiz"}},
		{"program-list", "ListPrograms", optimize.ListProgramsInput{}},
		{"program-show", "ShowProgram", optimize.ProgramInput{Name: "quiz"}},
		{"optimize-gepa", "OptimizePrompts", topicInput("gepa")},
	} {
		_, err := execute[map[string]any](c.stack, r.name, r.kind, r.in)
		require.Equal(t, strings.HasSuffix(r.name, "-failed"), err != nil, "%s: %v", r.name, err)
		c.record(r.name, c.history(r.name, ""))
	}
}

// Package trainertest has what trainers in tests share that compute without a model: the files and the events of a trainer,
// and one base model. It does not know what such a trainer computes.
package trainertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// Attempt is one run of a trainer.
type Attempt struct {
	Job training.Job
	On  func(training.Event) error
}

const (
	adapterConfig = "adapter_config.json"
	weightsFile   = "adapter_model.safetensors"
	stateFile     = "state.json"
)

// Save writes a checkpoint after a step: its weights, and the state to resume from.
func (a Attempt) Save(step int, weights string, state any) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	dir := filepath.Join(a.Job.WorkDir, "checkpoints", fmt.Sprintf("%08d", step))
	m := training.CheckpointManifest{Version: 1, Job: a.Job.Job, Step: step, BestStep: step, Tokens: int64(step) * 100}
	for name, text := range map[string]string{"best/" + adapterConfig: "{}", "best/" + weightsFile: weights, stateFile: string(text)} {
		if err := write(filepath.Join(dir, name), text); err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(text))
		m.Files = append(m.Files, training.CheckpointFile{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, training.ManifestName), string(manifest)); err != nil {
		return err
	}
	return a.On(training.Event{Event: training.EventCheckpoint, Step: step, Path: "checkpoints/" + filepath.Base(dir), BestStep: step})
}

// Resume reads the state of the checkpoint that the job resumes from, if it does.
func (a Attempt) Resume(state any) (resumed bool, err error) {
	if a.Job.Resume == "" {
		return false, nil
	}
	text, err := os.ReadFile(filepath.Join(a.Job.Resume, stateFile))
	if err != nil {
		return true, err
	}
	return true, json.Unmarshal(text, state)
}

// Stepped reports a step.
func (a Attempt) Stepped(step, total int) error {
	loss := 2 / float64(step)
	return a.On(training.Event{Event: training.EventStep, Step: step, Total: total, Loss: &loss, Tokens: int64(step) * 100, TokensPerSecond: 1000})
}

// Evaluate writes a loss for each held-out row, if there are any.
func (a Attempt) Evaluate(of string, step int, loss float64) error {
	if a.Job.Eval == nil {
		return nil
	}
	var rows bytes.Buffer
	for i := range a.Job.Eval.Rows {
		fmt.Fprintf(&rows, "{\"row\":%d,\"loss\":%g,\"accuracy\":0.5}\n", i, loss+float64(i%7)/100)
	}
	name := "evals/" + of + ".jsonl"
	if err := write(filepath.Join(a.Job.WorkDir, name), rows.String()); err != nil {
		return err
	}
	return a.On(training.Event{
		Event: training.EventEval, Of: of, Step: step, Rows: name, Metrics: map[string]float64{"loss": loss, "accuracy": 0.5},
	})
}

// The losses of the base model, and of a trained one that is better.
const (
	BaseLoss   = 2.0
	BetterLoss = 1.0
)

// Finish writes the weights and the evaluations after the last step.
func (a Attempt) Finish(step int, weights string, loss float64) error {
	for _, folder := range []string{"best/", "last/"} {
		for name, text := range map[string]string{adapterConfig: "{}", weightsFile: weights} {
			if err := write(filepath.Join(a.Job.WorkDir, "output", folder+name), text); err != nil {
				return err
			}
		}
	}
	if a.Job.Resume != "" {
		if err := a.Evaluate(training.OfBase, step, BaseLoss); err != nil {
			return err
		}
	}
	if err := a.Evaluate(training.OfBest, step, loss); err != nil {
		return err
	}
	return a.On(training.Event{Event: training.EventDone, Step: step, BestStep: step, Path: "output"})
}

func write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o600)
}

// OneModel is a folder of models with one base model.
type OneModel struct{}

// Find finds the model under every name.
func (OneModel) Find(_ context.Context, name string) (training.Model, error) {
	return training.Model{Name: name, Repo: "tiny/llama", Revision: strings.Repeat("a", 40), Path: "/models/llama"}, nil
}

// Shape is that of a tiny model.
func (OneModel) Shape(context.Context, training.Model) (estimate.Shape, error) {
	return estimate.Shape{
		Architecture: "llama", Parameters: 1000, WeightBytes: 4000, Layers: 2, Hidden: 64, Intermediate: 128, Heads: 4,
		KVHeads: 2, Vocab: 256, MaxPositions: 2048, Linear: []estimate.Linear{
			{Name: "model.layers.*.self_attn.k_proj", In: 64, Out: 32, Count: 2},
			{Name: "model.layers.*.self_attn.o_proj", In: 64, Out: 64, Count: 2},
			{Name: "model.layers.*.self_attn.q_proj", In: 64, Out: 64, Count: 2},
			{Name: "model.layers.*.self_attn.v_proj", In: 64, Out: 32, Count: 2},
		},
	}, nil
}

// FreeGPUs are always available.
type FreeGPUs struct{}

// Lease leases nothing.
func (FreeGPUs) Lease(context.Context, int, func(string)) (string, func(), error) {
	return "", func() {}, nil
}

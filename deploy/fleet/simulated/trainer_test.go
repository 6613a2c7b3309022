package simulated

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cogniverse/cogflow/training"
)

// simulatedSteps of every job, and after how many steps there is a checkpoint.
const (
	simulatedSteps = 12
	saveEvery      = 4
)

// weights are what a job has after some steps: each step is a hash of the one before, so a step that is lost,
// repeated or of another job changes the result.
func weights(job string, steps int) (state string) {
	for step := range steps {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d", state, job, step))
		state = hex.EncodeToString(sum[:])
	}
	return state
}

// simulatedTrainer is a GPU that takes a time for each step.
type simulatedTrainer struct {
	step time.Duration
	log  *os.File // a line for each step of any process
}

// Run satisfies the port of the training activities.
func (g simulatedTrainer) Run(ctx context.Context, job training.Job, _ string, _ io.Writer, stop <-chan struct{}, on func(training.Event) error) error {
	at := &simulatedState{job: job, on: on}
	if err := at.begin(); err != nil {
		return err
	}
	clock := time.NewTicker(g.step)
	defer clock.Stop()
	for !job.Finish && at.Step < simulatedSteps {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-stop:
			return at.save(training.ErrStopped)
		case <-clock.C:
		}
		if _, err := fmt.Fprintln(g.log, job.Job, at.Step); err != nil {
			return err
		}
		if err := at.advance(); err != nil {
			return err
		}
	}
	return at.finish()
}

type simulatedState struct {
	job   training.Job
	on    func(training.Event) error
	Step  int
	State string
}

func (s *simulatedState) begin() error {
	if err := s.on(training.Event{Event: training.EventDevice, Device: "simulated", Versions: map[string]string{"simulated": "1"}}); err != nil {
		return err
	}
	if s.job.Resume == "" {
		return s.evaluate(training.OfBase, 2)
	}
	data, err := os.ReadFile(filepath.Join(s.job.Resume, "state.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, s)
}

func (s *simulatedState) advance() error {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d", s.State, s.job.Job, s.Step))
	s.State = hex.EncodeToString(sum[:])
	s.Step++
	loss := 2 / float64(s.Step)
	err := s.on(training.Event{Event: training.EventStep, Step: s.Step, Total: simulatedSteps, Loss: &loss, Tokens: int64(s.Step) * 100, TokensPerSecond: 1000})
	if err == nil && s.Step%saveEvery == 0 && s.Step < simulatedSteps {
		err = s.save(nil)
	}
	return err
}

func (s *simulatedState) save(then error) error {
	dir := filepath.Join(s.job.WorkDir, "checkpoints", fmt.Sprintf("%08d", s.Step))
	state, err := json.Marshal(s)
	if err != nil {
		return err
	}
	m := training.CheckpointManifest{Version: 1, Job: s.job.Job, Step: s.Step, BestStep: s.Step, Tokens: int64(s.Step) * 100}
	for name, text := range map[string]string{
		"best/adapter_config.json": "{}", "best/adapter_model.safetensors": s.State, "state.json": string(state),
	} {
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
	rel := "checkpoints/" + filepath.Base(dir)
	if err := s.on(training.Event{Event: training.EventCheckpoint, Step: s.Step, Path: rel, BestStep: s.Step}); err != nil {
		return err
	}
	return then
}

// evaluate writes a loss for each held-out row.
func (s *simulatedState) evaluate(of string, loss float64) error {
	if s.job.Eval == nil {
		return nil
	}
	var rows bytes.Buffer
	for i := range s.job.Eval.Rows {
		fmt.Fprintf(&rows, "{\"row\":%d,\"loss\":%g,\"accuracy\":0.5}\n", i, loss+float64(i%7)/100)
	}
	name := "evals/" + of + ".jsonl"
	if err := write(filepath.Join(s.job.WorkDir, name), rows.String()); err != nil {
		return err
	}
	return s.on(training.Event{
		Event: training.EventEval, Of: of, Step: s.Step, Rows: name, Metrics: map[string]float64{"loss": loss, "accuracy": 0.5},
	})
}

func (s *simulatedState) finish() error {
	for name, text := range map[string]string{
		"best/adapter_config.json": "{}", "best/adapter_model.safetensors": s.State,
		"last/adapter_config.json": "{}", "last/adapter_model.safetensors": s.State,
	} {
		if err := write(filepath.Join(s.job.WorkDir, "output", name), text); err != nil {
			return err
		}
	}
	if s.job.Resume != "" {
		if err := s.evaluate(training.OfBase, 2); err != nil {
			return err
		}
	}
	if err := s.evaluate(training.OfBest, 1); err != nil {
		return err
	}
	return s.on(training.Event{Event: training.EventDone, Step: s.Step, BestStep: s.Step, Path: "output"})
}

func write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o600)
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/train"
)

// tinyModels makes base models with random weights once for all tests: a folder with
// tiny/llama and tiny/encoder.
var tinyModels = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(sharedDir, "models")
	for _, kind := range []string{"llama", "encoder"} {
		cmd := exec.Command(trainerPython, "-m", "trainer.tiny", kind, filepath.Join(dir, "tiny", kind))
		cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join("..", "trainer", "src"))
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("make a tiny %s (is the trainer installed? make test-python): %w: %s", kind, err, out)
		}
	}
	return dir, nil
})

const trainerPython = "../trainer/.venv/bin/python"

// newTrainStack is a stack whose workers can train.
func newTrainStack(t *testing.T) (s *stack, models string) {
	t.Helper()
	models, err := tinyModels()
	require.NoError(t, err)
	s = newStack(t, nil)
	trainer, err := filepath.Abs("../trainer")
	require.NoError(t, err)
	s.env = []string{
		"COGFLOW_TRAINING_MODELS_DIR=" + models, "COGFLOW_TRAINING_TRAINER_DIR=" + trainer,
		"COGFLOW_TRAINING_GRACE_SECONDS=20",
	}
	return s, models
}

// writeDataset writes a dataset of questions and answers.
func writeDataset(t *testing.T, dir string) string {
	t.Helper()
	const rows = 44 // 4 rows are held out, so an epoch has 10 steps
	var lines strings.Builder
	for i := range rows {
		fmt.Fprintf(&lines, "{\"prompt\":\"How many lamps are in hall %d?\",\"completion\":\"There are %d lamps in hall %d, and %d of them are lit.\"}\n",
			i, 3*i+1, i, i)
	}
	path := filepath.Join(dir, "lesson.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(lines.String()), 0o600))
	return path
}

// complexJob is a job with all kinds of state that a checkpoint must restore: several epochs,
// accumulation, dropout, evaluations, a learning rate schedule.
func complexJob(dataset string) train.Input {
	var settings training.Settings
	if err := json.Unmarshal([]byte(`{"epochs":3,"batch_size":2,"gradient_accumulation_steps":2,"save_steps":2,
		"eval_steps":5,"lora_dropout":0.1,"early_stopping_patience":0,"max_seq_length":96,"min_rows":10}`), &settings); err != nil {
		panic(err)
	}
	return train.Input{
		Name: "support", BaseModel: "tiny/llama", Dataset: activities.Dataset{URI: dataset}, SFT: &settings,
	}
}

// adapter is the content of a published version that must not depend on the run: the hashes
// of all files except for the model card, the metrics, and the losses of all steps.
type adapter struct {
	files   map[string]string
	metrics map[string]float64
	losses  []float64
}

func (s *stack) adapter(job string, version int) adapter {
	s.t.Helper()
	out := adapter{files: map[string]string{}}
	var m training.Adapter
	base := filepath.Join(s.dir, "store", "default", "adapters", "support", fmt.Sprint(version))
	s.readJSON(filepath.Join(base, "manifest.json"), &m)
	for _, f := range m.Files {
		data, err := os.ReadFile(filepath.Join(base, filepath.FromSlash(f.Name)))
		require.NoError(s.t, err)
		sum := sha256.Sum256(data)
		require.Equal(s.t, f.SHA256, hex.EncodeToString(sum[:]), f.Name)
		if f.Name != "README.md" && !strings.HasPrefix(f.Name, training.TensorBoardFolder) { // these have times
			out.files[f.Name] = f.SHA256
		}
	}
	out.metrics = m.Outcome.Metrics
	events, err := filepath.Glob(filepath.Join(s.dir, "store", "default", "training", job, "output", "*", "events.jsonl"))
	require.NoError(s.t, err)
	require.Len(s.t, events, 1)
	text, err := os.ReadFile(events[0])
	require.NoError(s.t, err)
	for line := range strings.Lines(string(text)) {
		var e training.Event
		require.NoError(s.t, json.Unmarshal([]byte(line), &e))
		if e.Event == training.EventStep {
			require.Equal(s.t, len(out.losses)+1, e.Step, "each step is recorded once")
			out.losses = append(out.losses, *e.Loss)
		}
	}
	return out
}

func (s *stack) readJSON(path string, v any) {
	s.t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(s.t, err)
	require.NoError(s.t, json.Unmarshal(data, v))
}

// awaitFile waits until a file matches a pattern.
func (s *stack) awaitFile(pattern string) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(4 * time.Minute)
	for {
		found, err := filepath.Glob(filepath.Join(s.dir, pattern))
		require.NoError(s.t, err)
		if len(found) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			require.Fail(s.t, "no file matches", pattern)
		}
	}
}

// stored waits until the checkpoint of a step, or of a later one, is in the store.
func (s *stack) stored(step int) {
	s.t.Helper()
	limit := time.Now().Add(4 * time.Minute)
	for at := step; ; {
		require.True(s.t, time.Now().Before(limit), "no checkpoint of step %d", step)
		found, err := filepath.Glob(filepath.Join(s.dir, "store/default/training/*/checkpoints/*/manifest.json"))
		require.NoError(s.t, err)
		if slices.ContainsFunc(found, func(path string) bool { return atoi(s.t, filepath.Base(filepath.Dir(path))) >= at }) {
			return
		}
		done, err := filepath.Glob(filepath.Join(s.dir, "store/default/training/*/output/manifest.json"))
		require.NoError(s.t, err)
		require.Empty(s.t, done, "the job ended before the checkpoint of step %d was found", step)
		<-time.After(2 * time.Millisecond)
	}
}

func (s *stack) startTraining(in train.Input) client.WorkflowRun {
	s.t.Helper()
	run, err := s.client.ExecuteWorkflow(s.t.Context(), startOptions("support"), "TrainSFT", in)
	require.NoError(s.t, err)
	return run
}

// TestTrainKill kills the worker and its trainer in every phase, or replaces the worker by
// another one. The result must be equal bit for bit to that of an undisturbed run.
func TestTrainKill(t *testing.T) {
	t.Parallel()
	reference, _ := newTrainStack(t)
	reference.worker(nil)
	in := complexJob(writeDataset(t, reference.dir)) // 10 steps per epoch
	undisturbed := await[train.Result](reference, reference.startTraining(in), 5*time.Minute)
	require.Equal(t, 30, undisturbed.Steps)
	require.Zero(t, undisturbed.Redone)
	want := reference.adapter(undisturbed.Job, undisturbed.Version)
	require.Len(t, want.losses, 30)

	t.Run("on another host", func(t *testing.T) {
		t.Parallel()
		trainOnOtherHost(t, want)
	})
	for name, moments := range map[string][]func(s *stack){
		// In the first epoch, at the end of an epoch, and later.
		"between two checkpoints": {
			func(s *stack) { s.stored(4) },
			func(s *stack) { s.stored(10) },
			func(s *stack) { s.stored(16) },
		},
		// While a checkpoint is written, while it is uploaded, and after the last step but before
		// any result is stored.
		"during writes": {
			func(s *stack) { s.stored(12); s.awaitFile("tmp/*/train-*/work-*/checkpoints/.*") },
			func(s *stack) { s.stored(18); s.awaitFile("tmp/kept-*/*") },
			func(s *stack) { s.awaitFile("tmp/*/train-*/work-*/output/last") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newTrainStack(t)
			own := s.recordTrainers(trainerPython)
			w := s.worker(nil)
			in := complexJob(writeDataset(t, s.dir))
			run := s.startTraining(in)
			for _, moment := range moments {
				moment(s)
				w.kill()
				s.noOrphans(2)
				w = s.worker(nil)
			}
			out := await[train.Result](s, run, 5*time.Minute)
			require.Equal(t, undisturbed.Job, out.Job)
			require.Equal(t, want, s.adapter(out.Job, out.Version))
			require.Equal(t, undisturbed.Metrics, out.Metrics)
			require.Equal(t, undisturbed.Comparison, out.Comparison)
			redone := own.steps() - out.Steps
			require.LessOrEqual(t, redone, len(moments)*(*in.SFT.SaveSteps), "more than the steps between two checkpoints")
			require.LessOrEqual(t, out.Redone, redone)
			s.bookedAs(own, run, out, len(moments))
			w.drain()
			require.Empty(t, s.temporary())
			require.Empty(t, s.children())
		})
	}
}

// trainOnOtherHost drains the worker during training. Another worker, with an empty disk and
// its models at another path, continues.
func trainOnOtherHost(t *testing.T, want adapter) {
	t.Helper()
	s, models := newTrainStack(t)
	own := s.recordTrainers(trainerPython)
	first := s.worker(nil)
	run := s.startTraining(complexJob(writeDataset(t, s.dir)))
	s.stored(6)
	first.drain()
	require.Empty(t, s.children(), "the worker waited for its trainer")
	require.Empty(t, s.temporary())

	elsewhere := filepath.Join(s.dir, "elsewhere")
	require.NoError(t, os.CopyFS(filepath.Join(elsewhere, "models"), os.DirFS(models)))
	s.worker(nil, "COGFLOW_SCRATCH="+filepath.Join(elsewhere, "tmp"), "COGFLOW_TRAINING_MODELS_DIR="+filepath.Join(elsewhere, "models"))
	out := await[train.Result](s, run, 5*time.Minute)
	require.Equal(t, want, s.adapter(out.Job, out.Version))
	require.Zero(t, out.Redone, "a drain loses no step")
	s.bookedAs(own, run, out, 0)
}

// TestTrainCancel: a cancelled run leaves no process, no claim and no temporary file, and
// publishes its best adapter so far.
func TestTrainCancel(t *testing.T) {
	t.Parallel()
	s, _ := newTrainStack(t)
	own := s.recordTrainers(trainerPython)
	w := s.worker(nil)
	run := s.startTraining(complexJob(writeDataset(t, s.dir)))
	s.stored(4)
	require.NoError(t, s.client.CancelWorkflow(t.Context(), "support", ""))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.Error(t, run.Get(ctx, nil))
	s.noOrphans(10, w)
	require.Empty(t, s.matchingFiles("store/default/training/*/claim.json"))
	require.NotEmpty(t, s.matchingFiles("store/default/adapters/support/1/manifest.json"), "the best so far")
	s.bookedAs(own, run, train.Result{}, 0)
	w.drain()
	require.Empty(t, s.temporary())
}

func (s *stack) matchingFiles(pattern string) []string {
	found, err := filepath.Glob(filepath.Join(s.dir, pattern))
	require.NoError(s.t, err)
	return found
}

// TestTrainExamples starts the examples with the temporal CLI, with tiny models in place of
// the models that the examples name.
func TestTrainExamples(t *testing.T) {
	t.Parallel()
	s, models := newTrainStack(t)
	config := filepath.Join(s.dir, "config.json")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `{"cogflow":{"training":{"models":{
		"HuggingFaceTB/SmolLM-135M":{"path":%q},"BAAI/bge-small-en-v1.5":{"path":%q}}}}}`,
		filepath.Join(models, "tiny", "llama"), filepath.Join(models, "tiny", "encoder")), 0o600))
	s.worker(nil, "COGNIVERSE_CONFIG="+config)
	for _, name := range []string{"sft", "dpo", "kto", "embedding", "sweep"} {
		file, err := filepath.Abs("../examples/train-" + name + ".json")
		require.NoError(t, err)
		kind := map[string]string{"sft": "TrainSFT", "dpo": "TrainDPO", "kto": "TrainKTO", "embedding": "TrainEmbedding", "sweep": "TrainSweep"}[name]
		s.temporalCLI("workflow", "start", "--task-queue", "cogflow", "--type", kind, "--workflow-id", name, "--input-file", file)
		if name == "sweep" {
			out := await[train.SweepResult](s, s.client.GetWorkflow(t.Context(), name, ""), 5*time.Minute)
			require.Zero(t, out.Failed)
			require.NotEmpty(t, out.Report)
			continue
		}
		out := await[train.Result](s, s.client.GetWorkflow(t.Context(), name, ""), 5*time.Minute)
		require.Equal(t, "trained", out.Status)
		require.Equal(t, 1, out.Version)
		require.NotEmpty(t, out.Metrics)
	}
}

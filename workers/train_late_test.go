package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// tinyLate makes a ColIdefics3 and rows of queries and images, as the trainer's tests do.
const tinyLate = `
import json, sys
from pathlib import Path
import tiny_late
base, folder = map(Path, sys.argv[1:])
tiny_late.make("idefics3", base)
for name, n, seed in (("train", 24, 1), ("held", 6, 2)):
    rows = tiny_late.rows(folder / "pictures", n, seed)
    lines = [json.dumps({"query": r["anchor"], "image": "pictures/" + r["positive"]["image"]}) for r in rows]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
`

// servedLoss is the loss of held-out rows by the vectors that the embedder serves.
const servedLoss = `
import json, sys
from pathlib import Path
import torch
from PIL import Image
from embedder import models
base, adapter, path = sys.argv[1:]
encoder = models.load(adapter, "1", base=base)
rows = [json.loads(line) for line in open(path)]
texts = [torch.tensor(encoder("query", [r["query"]])[0]) for r in rows]
pages = [torch.tensor(encoder("picture", [Image.open(Path(path).parent / r["image"])])[0]) for r in rows]
scores = torch.stack([torch.stack([(t @ p.T).amax(1).mean() for p in pages]) for t in texts])
loss = torch.nn.functional.cross_entropy(50 * scores, torch.arange(len(rows)))
print(json.dumps({"loss": loss.item()}))
`

// TestTrainLateInteraction trains a ColIdefics3 on queries and images. The embedder serves the
// published adapter with the loss that the run reports.
func TestTrainLateInteraction(t *testing.T) {
	t.Parallel()
	s, _ := newTrainStack(t)
	models := filepath.Join(s.dir, "models")
	base := filepath.Join(models, "tiny", "colsmol")
	require.NoError(t, os.MkdirAll(base, 0o700))
	python := func(code string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), trainerPython, append([]string{"-c", code}, args...)...)
		cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "OMP_NUM_THREADS=1",
			"PYTHONPATH=../trainer/src:../trainer/tests:../embedder/src")
		text, err := cmd.Output()
		require.NoError(t, err)
		return text
	}
	python(tinyLate, base, s.dir)
	s.env = append(s.env, "COGFLOW_TRAINING_MODELS_DIR="+models)
	s.worker(nil)
	cogflow := s.commandLine()
	rows, held := filepath.Join(s.dir, "train.jsonl"), filepath.Join(s.dir, "held.jsonl")
	start := func(more ...string) cliResult {
		return cogflow(append([]string{
			"train", "embedding", "--dataset", rows, "--eval-dataset", held, "--base-model", "tiny/colsmol", "--name", "frames", "--json",
			"--set", "epochs=2", "--set", "min_rows=10", "--set", "max_seq_length=64", "--set", "batch_size=8", "--set", "learning_rate=0.01",
		}, more...)...)
	}
	refused := start("--set", "loss=mnr")
	require.NotZero(t, refused.code)
	require.Contains(t, refused.stdout+refused.stderr, "late_interaction")

	p := start("--set", "loss=late_interaction")
	require.Zero(t, p.code)
	result := decode[trainflow.Result](t, p.stdout)
	require.Equal(t, "trained", result.Status)
	require.Contains(t, result.Metrics, "ndcg")

	folder := filepath.Join(s.dir, "adapter")
	require.Zero(t, cogflow("adapters", "download", "frames@1", "--to", folder).code)
	var served struct{ Loss float64 }
	text := python(servedLoss, base, folder, held)
	require.NoError(t, json.Unmarshal(text, &served), string(text))
	require.InDelta(t, result.Metrics["loss"], served.Loss, 2e-3)
}

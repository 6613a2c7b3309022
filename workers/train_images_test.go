package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// captions writes a dataset of captioned pictures, whose files lie in a folder beside it.
func captions(t *testing.T, dir, name string, from, rows int) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "pictures"), 0o700))
	colors := map[string]color.Color{"red": color.RGBA{200, 30, 30, 255}, "blue": color.RGBA{30, 30, 200, 255}, "white": color.White}
	words := []string{"red", "blue", "white"}
	var lines strings.Builder
	for i := from; i < from+rows; i++ {
		word, file := words[i%3], fmt.Sprintf("pictures/%d.png", i)
		picture := image.NewRGBA(image.Rect(0, 0, 56+28*(i%2), 56+i))
		draw.Draw(picture, picture.Bounds(), image.NewUniform(colors[word]), image.Point{}, draw.Src)
		out, err := os.Create(filepath.Join(dir, file))
		require.NoError(t, err)
		require.NoError(t, png.Encode(out, picture))
		require.NoError(t, out.Close())
		fmt.Fprintf(&lines, `{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": %q}}, {"type": "text", "text": "What is picture %d?"}]}, {"role": "assistant", "content": "a %s square"}]}`+"\n", file, i, word)
	}
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(lines.String()), 0o600))
	return path
}

// plainLoss is the loss of a file's answers by plain transformers and PEFT.
const plainLoss = `
import json, os, sys
import torch
from peft import PeftModel
from PIL import Image
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration
base, adapter, path = sys.argv[1:]
processor = AutoProcessor.from_pretrained(base)
model = PeftModel.from_pretrained(Qwen2VLForConditionalGeneration.from_pretrained(base), adapter).eval()
tuned = [n for n, _ in model.named_parameters() if "lora_" in n]
total, count = 0.0, 0
for line in open(path):
    messages = json.loads(line)["messages"]
    picture = Image.open(os.path.join(os.path.dirname(path), messages[0]["content"][0]["image_url"]["url"]))
    asked = processor.apply_chat_template(messages[:1], add_generation_prompt=True)
    text = asked + messages[1]["content"] + "<|im_end|>"
    start = processor(text=[asked], images=[picture], return_tensors="pt")["input_ids"].shape[1]
    given = processor(text=[text], images=[picture], return_tensors="pt")
    with torch.no_grad():
        scores = model(**given).logits[0, start - 1 : -1].log_softmax(-1)
    right = given["input_ids"][0, start:]
    total -= scores.gather(1, right[:, None]).sum().item()
    count += len(right)
print(json.dumps({"loss": total / count, "tuned": len(tuned), "seeing": sum("visual" in n for n in tuned)}))
`

// TestTrainImages trains a vision-language model on captioned pictures that the command line
// uploads. The published adapter is one of the language part, and gives in plain PEFT the loss
// that the run reports.
func TestTrainImages(t *testing.T) {
	t.Parallel()
	s, _ := newTrainStack(t)
	models := filepath.Join(s.dir, "models")
	base := filepath.Join(models, "tiny", "qwen2_vl")
	cmd := exec.CommandContext(t.Context(), trainerPython, "-m", "trainer.tiny", "qwen2_vl", base, "--hidden", "32")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join("..", "trainer", "src"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	s.env = append(s.env, "COGFLOW_TRAINING_MODELS_DIR="+models)
	s.worker(nil)
	cogflow := s.commandLine()
	rows, held := captions(t, s.dir, "captions.jsonl", 0, 12), captions(t, s.dir, "held.jsonl", 12, 3)
	p := cogflow(
		"train", "sft", "--dataset", rows, "--eval-dataset", held, "--base-model", "tiny/qwen2_vl", "--name", "captions", "--json",
		"--set", "epochs=2", "--set", "min_rows=10", "--set", "max_seq_length=192", "--set", "batch_size=3", "--set", "gradient_accumulation_steps=1", "--set", "learning_rate=0.01",
	)
	require.Zero(t, p.code)
	result := decode[trainflow.Result](t, p.stdout)
	require.Equal(t, "trained", result.Status)
	require.Len(t, s.matchingFiles("store/default/datasets/images/*"), 15, "each picture is stored once")

	folder := filepath.Join(s.dir, "adapter")
	require.Zero(t, cogflow("adapters", "download", "captions@1", "--to", folder).code)
	check := exec.CommandContext(t.Context(), trainerPython, "-c", plainLoss, base, folder, held)
	check.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "OMP_NUM_THREADS=1")
	text, err := check.Output()
	require.NoError(t, err)
	var plain struct {
		Loss          float64
		Tuned, Seeing int
	}
	require.NoError(t, json.Unmarshal(text, &plain), string(text))
	require.InDelta(t, result.Metrics["loss"], plain.Loss, 1e-4)
	require.Equal(t, 16, plain.Tuned, "two matrices for each of four layers of two blocks")
	require.Zero(t, plain.Seeing)
}

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

// TestOptimizeRealModel optimizes prompts for a tiny real model: a Qwen3 behind
// `transformers serve`, which cogflow has trained as a router. The model follows the routing
// rules only if the prompt has demos (examples/routing/chats.go), and the optimizer has to
// discover this. The model was not trained on queries of the dataset.
func TestOptimizeRealModel(t *testing.T) {
	t.Parallel()
	s, models := newTrainStack(t)
	cogflow := s.commandLine()
	chats := filepath.Join(s.dir, "chats.jsonl")
	out, err := exec.CommandContext(t.Context(), "go", "run", "../examples/routing", "--program", "../examples/programs/agentic-router.json", "--chats", "8000").Output()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(chats, out, 0o600))
	tiny := exec.CommandContext(t.Context(), trainerPython, "-m", "trainer.tiny", "qwen3", filepath.Join(models, "tiny", "router"), "--vocab", "1024", "--chats", chats)
	tiny.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join("..", "trainer", "src"))
	out, err = tiny.CombinedOutput()
	require.NoError(t, err, string(out))

	trainer := s.worker(nil)
	p := cogflow(append([]string{"train", "sft", "--dataset", chats, "--base-model", "tiny/router", "--name", "router"}, setting(
		"use_lora=false", "assistant_only_loss=true", "epochs=1", "batch_size=32", "gradient_accumulation_steps=1",
		"learning_rate=4e-3", "warmup_steps=20", "validation_split=0.02")...)...)
	require.Zero(t, p.code)
	model := filepath.Join(s.dir, "router")
	require.Zero(t, cogflow("adapters", "download", "router", "--to", model).code)
	trainer.drain()

	url := pythonServer(t, "transformers", "/health", "serve", "--device", "cpu", model)
	config := filepath.Join(s.dir, "config.json")
	text, err := json.Marshal(map[string]any{"cogflow": map[string]any{
		"endpoints": map[string]any{"tiny": map[string]any{"kind": "openai", "url": url + "/v1", "models": []string{model}, "max_in_flight": 2}},
		"optimize":  map[string]any{"student": map[string]any{"model": model, "temperature": 0, "max_tokens": 64}},
	}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(config, text, 0o600))
	s.worker(nil, "COGNIVERSE_CONFIG="+config)
	examples, err := filepath.Abs("../examples")
	require.NoError(t, err)
	optimize := append([]string{
		"optimize", "--program", examples + "/programs/agentic-router.json", "--trainset", examples + "/data/routing-train.jsonl",
		"--valset", examples + "/data/routing-val.jsonl", "--testset", examples + "/data/routing-test.jsonl",
	}, setting("num_candidates=6", "num_trials=8", "minibatch_size=16", "data_aware_proposer=false", "program_aware_proposer=false")...)
	p = cogflow(append(optimize, "--id", "router", "--json")...)
	require.Zero(t, p.code)
	result := decode[optimizeflow.Result](t, p.stdout)
	require.Equal(t, "optimized", result.Status)
	require.Equal(t, 120, result.Verdict.Planned, "rows that the search never saw; the confirmation uses as many as it needs")
	require.Positive(t, result.Verdict.Examples)
	require.True(t, result.Verdict.Promote)
	require.True(t, result.Promoted)
	require.Greater(t, result.Score, result.DefaultScore+10)

	p = cogflow("report", "router", "--json")
	require.Zero(t, p.code)
	page, err := os.ReadFile(decode[struct{ Path string }](t, p.stdout).Path)
	require.NoError(t, err)
	require.Contains(t, string(page), "The difference is statistically significant")
	p = cogflow("programs", "show", "agentic-router")
	require.Zero(t, p.code)
	require.GreaterOrEqual(t, strings.Count(p.stdout, "demo "), 2, "the improvement comes from demos")
}

// setting converts settings to flags.
func setting(settings ...string) (flags []string) {
	for _, s := range settings {
		flags = append(flags, "--set", s)
	}
	return flags
}

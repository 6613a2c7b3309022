package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/registry"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// cliResult is the exit code and the output of a command.
type cliResult struct {
	code           int
	stdout, stderr string
}

// commandLine returns a function that runs cogflow against the stack.
func (s *stack) commandLine() func(args ...string) cliResult {
	s.t.Helper()
	program, err := builtCLI()
	require.NoError(s.t, err)
	return func(args ...string) cliResult {
		s.t.Helper()
		cmd := exec.CommandContext(s.t.Context(), program, args...)
		cmd.Dir = s.dir
		cmd.Env = append(append(os.Environ(), "HOME="+s.dir, "TEMPORAL_ADDRESS="+s.server.Address(), "COGNIVERSE_CONFIG=",
			"COGFLOW_STORE=file://"+filepath.Join(s.dir, "store"), "COGFLOW_LEDGER="+filepath.Join(s.dir, "ledger.db")), s.env...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			require.NoError(s.t, err)
		}
		p := cliResult{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
		s.t.Logf("cogflow %q: exit %d\n%s%s", args, p.code, p.stdout, p.stderr)
		return p
	}
}

// writeDatasets writes a small dataset for each method.
func writeDatasets(t *testing.T, dir string) (sft, dpo, embedding string) {
	t.Helper()
	write := func(name, row string) string {
		var lines strings.Builder
		for i := range 24 {
			fmt.Fprintf(&lines, row+"\n", i, i+1)
		}
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(lines.String()), 0o600))
		return path
	}
	return write("sft.jsonl", `{"prompt": "How many lamps are in hall %d?", "completion": "There are %d lamps."}`),
		write("dpo.jsonl", `{"prompt": "Is hall %[1]d lit?", "chosen": "Yes, by %[2]d lamps.", "rejected": "Nobody knows %[2]d."}`),
		write("embedding.jsonl", `{"anchor": "hall %[1]d", "positive": "the lamps of hall %[1]d", "negative": "a boat on lake %[2]d"}`)
}

// TestTrainCLI trains with each method on a small dataset, inspects the results and
// downloads an adapter.
func TestTrainCLI(t *testing.T) {
	t.Parallel()
	s, _ := newTrainStack(t)
	s.worker(nil)
	cogflow := s.commandLine()
	sft, dpo, embedding := writeDatasets(t, s.dir)
	settings := []string{"--set", "epochs=2", "--set", "min_rows=10", "--set", "max_seq_length=96", "--set", "batch_size=4", "--set", "gradient_accumulation_steps=1"}
	train := func(method, dataset, model string, more ...string) cliResult {
		t.Helper()
		args := append([]string{"train", method, "--dataset", dataset, "--base-model", model, "--name", "support-" + method}, settings...)
		return cogflow(append(args, more...)...)
	}

	for name, args := range map[string][]string{
		"learning_rate": {"--set", "learning_rat=1"}, "must be a time": {"--gpu-wait", "soon"}, "unknown flag": {"--epochs", "1"},
	} {
		p := train("sft", sft, "tiny/llama", args...)
		require.Equal(t, 2, p.code, "usage")
		require.Contains(t, p.stderr, name)
	}
	p := train("sft", sft, "tiny/none")
	require.Equal(t, 1, p.code)
	require.Contains(t, p.stderr, `input error: plan: find base model "tiny/none": this worker has no such model; supported: tiny/encoder, tiny/llama`)
	p = train("sft", dpo, "tiny/llama")
	require.Equal(t, 1, p.code)
	require.Contains(t, p.stderr, "rows of the format preference train with dpo, not with sft")
	p = train("sft", sft, "tiny/llama", "--dry-run")
	require.Zero(t, p.code)
	require.Contains(t, p.stdout, "cpu")
	require.Empty(t, s.matchingFiles("store/default/training"), "nothing was started")

	// After a detached start, an equal start attaches to the same job.
	p = train("sft", sft, "tiny/llama", "--detach", "--json")
	require.Zero(t, p.code)
	id := decode[struct {
		ID string `json:"workflow_id"`
	}](t, p.stdout).ID
	require.True(t, strings.HasPrefix(id, "train-default-support-sft-"), id)
	p = train("sft", sft, "tiny/llama")
	require.Zero(t, p.code)
	require.Contains(t, p.stderr, id+" is already running")
	require.Regexp(t, `(?m)^\d\d:\d\d:\d\d .*step`, p.stderr, "progress")
	require.Contains(t, p.stdout, "support-sft@1: trained")
	require.Regexp(t, `HELD OUT +BASE +TRAINED +CHANGE`, p.stdout)
	require.Regexp(t, `(?m)^loss +\d`, p.stdout)
	p = train("sft", sft, "tiny/llama", "--json")
	require.Zero(t, p.code)
	again := decode[trainflow.Result](t, p.stdout)
	require.Equal(t, "unchanged", again.Status, "a finished job does no work")
	require.Equal(t, 1, again.Version)

	p = train("dpo", dpo, "tiny/llama", "--json")
	require.Zero(t, p.code)
	out := decode[trainflow.Result](t, p.stdout)
	require.Equal(t, "trained", out.Status)
	require.Contains(t, out.Metrics, "margin")
	require.NotContains(t, p.stdout, "Started", "only the JSON document")
	p = train("embedding", embedding, "tiny/encoder", "--json")
	require.Zero(t, p.code)
	require.Contains(t, decode[trainflow.Result](t, p.stdout).Metrics, "accuracy")

	p = cogflow("adapters", "list", "--json")
	require.Zero(t, p.code)
	var names []string
	for _, a := range decode[registry.AdapterList](t, p.stdout).Adapters {
		names = append(names, fmt.Sprint(a.Name, "@", a.Version))
	}
	require.ElementsMatch(t, []string{"support-sft@1", "support-dpo@1", "support-embedding@1"}, names)

	p = cogflow("report", id, "--json")
	require.Zero(t, p.code)
	page, err := os.ReadFile(decode[struct{ Path string }](t, p.stdout).Path)
	require.NoError(t, err)
	require.Contains(t, string(page), "<svg", "curves")
	require.Contains(t, string(page), "support-sft")

	folder := filepath.Join(s.dir, "home")
	p = cogflow("adapters", "download", "support-sft@1", "--to", folder)
	require.Zero(t, p.code)
	require.Contains(t, p.stdout, "every SHA-256 matches the manifest")
	require.FileExists(t, filepath.Join(folder, "adapter_model.safetensors"))
	require.FileExists(t, filepath.Join(folder, "adapter_config.json"))

	// A download fails if the weights in the store have changed.
	weights := filepath.Join(s.dir, "store", "default", "adapters", "support-sft", "1", "adapter_model.safetensors")
	content, err := os.ReadFile(weights)
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(weights, content, 0o600))
	p = cogflow("adapters", "download", "support-sft@1", "--to", folder+"-again")
	require.Equal(t, 1, p.code)
	require.Contains(t, p.stderr, "adapter_model.safetensors")
	require.NoDirExists(t, folder+"-again")
}

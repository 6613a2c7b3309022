package train_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/training"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// TestTraining runs the commands against one server.
func TestTraining(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Serve()
	b.Step("start", testTrainStart)
	b.Step("images", testTrainImages)
	b.Step("control", testTrainSteer)
	b.Step("results", testTrainResults)
	b.Step("auto", testTrainAuto)
	b.Step("sweep", testSweepCommand)
}

// datasetOf writes a dataset of n examples and returns its name and URI.
func datasetOf(t *testing.T, dir string, n int) (name, uri string) {
	t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "{\"prompt\": \"question %d?\", \"completion\": \"answer %d\"}\n", i, i)
	}
	name = filepath.Join(dir, fmt.Sprintf("rows-%d.jsonl", n))
	require.NoError(t, os.WriteFile(name, []byte(text.String()), 0o600))
	sum := sha256.Sum256([]byte(text.String()))
	return name, "dataset:" + hex.EncodeToString(sum[:])
}

func testTrainStart(t *testing.T, b *clitest.Bench) {
	file, uri := datasetOf(t, b.Dir, 60)
	config := filepath.Join(b.Dir, "settings.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"epochs": 2, "lora": {"r": 4, "alpha": 8}}`), 0o600))
	args := []string{
		"train", "sft", "--dataset", file, "--base-model", "org/base", "--name", "wait", "--tenant", "acme", "--config", config,
		"--set", "learning_rate=1e-4", "--set", "lora.r=16", "--set", "lr_scheduler=cosine", "--gpu", "a10g,a100-40gb", "--seed", "7",
		"--eval-dataset", "s3://bucket/eval.jsonl", "--detach", "--json",
	}
	code, out, errors := b.Run(args...)
	require.Equal(t, cli.ExitDone, code, errors)
	first := clitest.Decode[cli.Started](t, out)
	assert.Regexp(t, `^train-acme-wait-[0-9a-f]{12}$`, first.WorkflowID)

	begun := b.Begun(first.WorkflowID, first.RunID)
	assert.Equal(t, "TrainSFT", begun.GetWorkflowType().GetName())
	assert.JSONEq(t, `{"tenant": "acme", "priority": 3, "name": "wait", "base_model": "org/base", "dataset": {"uri": "`+uri+`", "name": "rows-60.jsonl"},
		"eval_dataset": {"uri": "s3://bucket/eval.jsonl"}, "sft_config": {"epochs": 2, "learning_rate": 1e-4, "lr_scheduler": "cosine"},
		"lora": {"r": 16, "alpha": 8}, "seed": 7, "gpu": ["a10g", "a100-40gb"]}`, string(begun.GetInput().GetPayloads()[0].GetData()))

	store := b.Store()
	key := training.UploadKey("acme", strings.TrimPrefix(uri, "dataset:"))
	stored, err := store.Stat(t.Context(), key)
	require.NoError(t, err)

	code, out, errors = b.Run(args...)
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, first, clitest.Decode[cli.Started](t, out), "two equal starts are one job")
	again, err := store.Stat(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, stored, again, "a stored file is not uploaded again")
}

// testTrainImages: the images of a local dataset are uploaded with it, each once.
func testTrainImages(t *testing.T, b *clitest.Bench) {
	picture := []byte("\x89PNG, which a worker checks")
	sum := sha256.Sum256(picture)
	uri := "dataset:" + hex.EncodeToString(sum[:])
	require.NoError(t, os.Mkdir(filepath.Join(b.Dir, "pictures"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(b.Dir, "pictures", "a.png"), picture, 0o600))
	row := `{"prompt": "pictures/a.png", "completion": "b", "images": [%q, %q, "s3://bucket/c.png"]}` + "\n"
	file := filepath.Join(b.Dir, "captions.jsonl")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, row, "pictures/a.png", "file://"+filepath.Join(b.Dir, "pictures", "a.png")), 0o600))
	args := []string{"train", "sft", "--dataset", file, "--base-model", "org/base", "--name", "captions", "--tenant", "acme", "--detach", "--json"}
	code, out, errors := b.Run(args...)
	require.Equal(t, cli.ExitDone, code, errors)
	first := clitest.Decode[cli.Started](t, out)
	var in trainflow.Input
	require.NoError(t, json.Unmarshal(b.Begun(first.WorkflowID, first.RunID).GetInput().GetPayloads()[0].GetData(), &in))
	assert.Equal(t, "captions.jsonl", in.Dataset.Name)
	for name, want := range map[string]string{in.Dataset.URI: fmt.Sprintf(row, uri, uri), uri: string(picture)} {
		stored, err := activities.ReadAll(t.Context(), b.Store(), training.UploadKey("acme", strings.TrimPrefix(name, "dataset:")))
		require.NoError(t, err)
		assert.Equal(t, want, string(stored))
	}
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, row, "pictures/a.png", "none.png"), 0o600))
	code, _, errors = b.Run(args...)
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, errors, "captions.jsonl, row 1")
	require.Contains(t, errors, "none.png: no such file")
}

func testTrainSteer(t *testing.T, b *clitest.Bench) {
	file, _ := datasetOf(t, b.Dir, 61)
	code, out, errors := b.Run("train", "sft", "--dataset", file, "--base-model", "org/base", "--name", "wait", "--detach")
	require.Equal(t, cli.ExitDone, code, errors)
	id := strings.TrimSpace(out)

	code, errors = b.Interrupt("train 12/100 steps, ETA 1m30s, loss 1.2340, 760 tokens/s, $0.12, on cpu", "watch", id)
	assert.Equal(t, cli.ExitInterrupted, code)
	assert.Contains(t, errors, "the job continues")
	b.UntilPrints([]string{"status", id}, "wait, sft of org/base: train 12/100 steps", "The checkpoint of step 10 is stored", "RunTraining")
	b.UntilPrints([]string{"status", id, "--json"}, `"tokens_per_second": 760.4`)
	b.UntilPrints([]string{"list", "--kind", "trainsft", "--status", "running"}, id)
	b.UntilPrints([]string{"__complete", "stop", ""}, id+"\tTrainSFT running")

	code, _, errors = b.Run("pause", id)
	assert.Equal(t, cli.ExitDone, code, errors)
	code, _, errors = b.Run("stop", id)
	assert.Equal(t, cli.ExitDone, code, errors)
	code, out, errors = b.Run("watch", id)
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, out, "wait@3: stopped, the best so far is kept, better than its base")

	code, out, errors = b.Run("redrive", id, "--detach", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, id, clitest.Decode[cli.Started](t, out).WorkflowID)
	assert.NotContains(t, errors, "nothing to redrive", "a stopped run can continue")
	code, _, errors = b.Run("cancel", id)
	assert.Equal(t, cli.ExitDone, code, errors)
	code, _, errors = b.Run("watch", id)
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "the job was cancelled")
}

func testTrainResults(t *testing.T, b *clitest.Bench) {
	file, _ := datasetOf(t, b.Dir, 60)
	train := func(method, name string, more ...string) (int, string, string) {
		return b.Run(append([]string{"train", method, "--dataset", file, "--base-model", "org/base", "--name", name}, more...)...)
	}
	code, out, errors := train("dpo", "weak")
	assert.Equal(t, cli.ExitDone, code, "trained, although without success: %s", errors)
	assert.Contains(t, out, "weak@3: trained, not better than its base")
	assert.Contains(t, out, "activate weak@3 --force")
	code, out, errors = train("dpo", "weak", "--json")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.False(t, clitest.Decode[trainflow.Result](t, out).Better)
	code, out, errors = train("sft", "long")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, out, "3 rows were left out: max_seq_length leaves nothing of the answer.")
	code, _, errors = train("sft", "broken")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "input error: line 3: chosen = rejected")
	code, _, errors = train("sft", "continue", "--id", "continued", "--budget", "9")
	assert.Equal(t, cli.ExitFailed, code, errors)
	code, out, errors = b.Run("redrive", "continued", "--detach", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	begun := b.Begun("continued", clitest.Decode[cli.Started](t, out).RunID)
	_, uri := datasetOf(t, b.Dir, 60)
	assert.JSONEq(t, `{"tenant": "default", "priority": 3, "budget_usd": 50, "name": "continue", "base_model": "org/base", "dataset": {"uri": "`+uri+`", "name": "rows-60.jsonl"}}`,
		string(begun.GetInput().GetPayloads()[0].GetData()), "the input of the first run, and the budget of the last")
	code, _, errors = b.Run("stop", "train-missing")
	assert.Equal(t, cli.ExitFailed, code, errors)
}

func testTrainAuto(t *testing.T, b *clitest.Bench) {
	file, _ := datasetOf(t, b.Dir, 60)
	code, out, errors := b.Run("train", "--method", "auto", "--dataset", file, "--base-model", "org/base")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, errors, "Method: sft (60 examples")
	assert.Contains(t, out, "sft-base@3: trained")

	file, _ = datasetOf(t, b.Dir, 10)
	code, _, errors = b.Run("train", "auto", "--dataset", file, "--base-model", "org/base")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "10 of 50 examples")
	code, _, errors = b.Run("train", "auto", "--dataset", "s3://bucket/x.jsonl", "--base-model", "org/base")
	assert.Equal(t, cli.ExitUsage, code)
	assert.Contains(t, errors, "set the method")
}

func testSweepCommand(t *testing.T, b *clitest.Bench) {
	file, uri := datasetOf(t, b.Dir, 60)
	args := []string{
		"train", "sweep", "sft", "--dataset", file, "--base-model", "org/base", "--name", "support", "--set", "epochs=1", "--budget", "9",
		"--grid", "learning_rate=1e-4,2e-4,5e-3", "--grid", `lora.r=[8]`, "--concurrency", "3",
	}
	code, out, errors := b.Run(args...)
	assert.Equal(t, cli.ExitPartial, code, errors)
	assert.Contains(t, out, "3 runs, 1 failed, $1.48")
	id, _, _ := strings.Cut(strings.TrimPrefix(errors, "Started "), "\n")
	assert.Regexp(t, `^sweep-default-support-[0-9a-f]{12}$`, id)
	begun := b.Begun(id, "")
	assert.JSONEq(t, `{"tenant": "default", "priority": 3, "budget_usd": 9, "method": "sft", "concurrency": 3,
		"train": {"name": "support", "base_model": "org/base", "dataset": {"uri": "`+uri+`", "name": "rows-60.jsonl"}, "sft_config": {"epochs": 1}},
		"grid": {"sft_config.learning_rate": [1e-4, 2e-4, 5e-3], "lora.r": [8]}}`, string(begun.GetInput().GetPayloads()[0].GetData()))
}

func TestTrainUsage(t *testing.T) {
	t.Parallel()
	file, _ := datasetOf(t, t.TempDir(), 3)
	b := clitest.Offline(t, root.Run) // no server: all of these fail before a connection
	base := []string{"--dataset", file, "--base-model", "org/base"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no method":             {[]string{"train"}, "a method is required"},
		"no such method":        {append([]string{"train", "--method", "ppo"}, base...), "unknown method"},
		"no such subcommand":    {[]string{"train", "ppo"}, "unknown command"},
		"no dataset":            {[]string{"train", "sft", "--base-model", "m"}, "--dataset must be"},
		"no model":              {[]string{"train", "sft", "--dataset", file}, "--base-model must be"},
		"unknown setting":       {append([]string{"train", "sft", "--set", "epoch=1"}, base...), "epoch"},
		"setting of dpo":        {append([]string{"train", "sft", "--set", "beta=0.1"}, base...), "beta"},
		"not a number":          {append([]string{"train", "sft", "--set", "epochs=many"}, base...), "epochs"},
		"out of range":          {append([]string{"train", "sft", "--set", "learning_rate=-1"}, base...), "learning_rate"},
		"unknown lora":          {append([]string{"train", "sft", "--set", "lora.rank=1"}, base...), "rank"},
		"not an object":         {append([]string{"train", "sft", "--set", "lora.r=1", "--set", "lora.r.x=1"}, base...), "r is not an object"},
		"no value":              {append([]string{"train", "sft", "--set", "epochs"}, base...), "name=value"},
		"bad name":              {append([]string{"train", "sft", "--name", "../x"}, base...), "letters, digits"},
		"bad role":              {append([]string{"train", "sft", "--role", "_roles"}, base...), "letters, digits"},
		"bad wait":              {append([]string{"train", "sft", "--gpu-wait", "soon"}, base...), "--gpu-wait must be a time"},
		"bad timeout":           {append([]string{"train", "sft", "--timeout", "-1h"}, base...), "--timeout must be a time"},
		"bad tenant":            {append([]string{"train", "sft", "--tenant", "a b"}, base...), "tenant"},
		"no grid":               {append([]string{"train", "sweep", "sft"}, base...), "--grid must be"},
		"empty grid":            {append([]string{"train", "sweep", "sft", "--grid", "epochs="}, base...), "--grid must be"},
		"setting twice in grid": {append([]string{"train", "sweep", "sft", "--grid", "epochs=1", "--grid", "epochs=2"}, base...), "twice"},
		"value twice":           {append([]string{"train", "sweep", "sft", "--grid", "epochs=1,1"}, base...), "twice"},
		"dry run of a sweep":    {append([]string{"train", "sweep", "sft", "--grid", "epochs=1", "--dry-run"}, base...), "does not support --dry-run"},
		"bad adapter":           {[]string{"adapters", "show", "a/b"}, "letters, digits"},
		"bad version":           {[]string{"adapters", "show", "a@0"}, "must be a number from 1 on"},
		"version of a role":     {[]string{"adapters", "rollback", "a@2"}, "takes a role"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := clitest.Offline(t, root.Run)
			code, _, errors := b.Run(c.args...)
			assert.Equal(t, cli.ExitUsage, code, errors)
			assert.Contains(t, errors, c.want)
		})
	}
	code, _, errors := b.Run("train", "sft", "--dataset", file+".gone", "--base-model", "org/base")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "no such file")
	code, _, errors = b.Run("train", "sft", "--dataset", b.Dir, "--base-model", "org/base")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "must be a regular file")
}

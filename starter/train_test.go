package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/workflows"
)

// TestTraining runs the program against one server.
func TestTraining(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.serve()
	step := func(name string, test func(t *testing.T, b *bench)) {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // the steps share one server and build on each other
			test(t, &bench{t: t, address: b.address, dir: b.dir, client: b.client})
		})
	}
	step("start", testTrainStart)
	step("steer", testTrainSteer)
	step("results", testTrainResults)
	step("auto", testTrainAuto)
	step("sweep", testSweepCommand)
	step("adapters", testAdapters)
	step("download", testDownload)
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

func testTrainStart(t *testing.T, b *bench) {
	file, uri := datasetOf(t, b.dir, 60)
	config := filepath.Join(b.dir, "settings.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"epochs": 2, "lora": {"r": 4, "alpha": 8}}`), 0o600))
	args := []string{
		"train", "sft", "--dataset", file, "--base-model", "org/base", "--name", "wait", "--tenant", "acme", "--config", config,
		"--set", "learning_rate=1e-4", "--set", "lora.r=16", "--set", "lr_scheduler=cosine", "--gpu", "a10g,a100-40gb", "--seed", "7",
		"--eval-dataset", "s3://bucket/eval.jsonl", "--detach", "--json",
	}
	code, out, errors := b.run(args...)
	require.Equal(t, exitDone, code, errors)
	first := decode[started](t, out)
	assert.Regexp(t, `^train-acme-wait-[0-9a-f]{12}$`, first.WorkflowID)

	begun, err := firstEvent(t.Context(), b.client, first.WorkflowID, first.RunID)
	require.NoError(t, err)
	assert.Equal(t, "TrainSFT", begun.GetWorkflowType().GetName())
	assert.JSONEq(t, `{"tenant": "acme", "priority": 3, "name": "wait", "base_model": "org/base", "dataset": {"uri": "`+uri+`", "name": "rows-60.jsonl"},
		"eval_dataset": {"uri": "s3://bucket/eval.jsonl"}, "sft_config": {"epochs": 2, "learning_rate": 1e-4, "lr_scheduler": "cosine"},
		"lora": {"r": 16, "alpha": 8}, "seed": 7, "gpu": ["a10g", "a100-40gb"]}`, string(begun.GetInput().GetPayloads()[0].GetData()))

	a := &App{Process: Process{Getenv: b.getenv}}
	store, err := a.store(t.Context())
	require.NoError(t, err)
	key := training.UploadKey("acme", strings.TrimPrefix(uri, "dataset:"))
	stored, err := store.Stat(t.Context(), key)
	require.NoError(t, err)

	code, out, errors = b.run(args...)
	require.Equal(t, exitDone, code, errors)
	assert.Equal(t, first, decode[started](t, out), "two equal starts are one job")
	again, err := store.Stat(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, stored, again, "what is there is not sent again")
}

func testTrainSteer(t *testing.T, b *bench) {
	file, _ := datasetOf(t, b.dir, 61)
	code, out, errors := b.run("train", "sft", "--dataset", file, "--base-model", "org/base", "--name", "wait", "--detach")
	require.Equal(t, exitDone, code, errors)
	id := strings.TrimSpace(out)

	code, errors = b.interrupt("train 12/100 steps, loss 1.2340, 760 tokens/s, ETA 1m30s, $0.12 on cpu", "watch", id)
	assert.Equal(t, exitInterrupted, code)
	assert.Contains(t, errors, "the job goes on")
	_, out, _ = b.run("status", id)
	assert.Contains(t, out, "wait, sft of org/base: train 12/100 steps")
	assert.Contains(t, out, "The checkpoint of step 10 is stored")
	assert.Contains(t, out, "RunTraining")
	_, out, _ = b.run("status", id, "--json")
	assert.Contains(t, out, `"tokens_per_second": 760.4`)

	require.Eventually(t, func() bool { // the visibility store follows with a short delay
		_, out, _ := b.run("list", "--kind", "trainsft", "--status", "running")
		return strings.Contains(out, id)
	}, 20*time.Second, 100*time.Millisecond)
	_, out, _ = b.run("__complete", "stop", "")
	assert.Contains(t, out, id+"\tTrainSFT running")

	code, _, errors = b.run("pause", id)
	assert.Equal(t, exitDone, code, errors)
	code, _, errors = b.run("stop", id)
	assert.Equal(t, exitDone, code, errors)
	code, out, errors = b.run("watch", id)
	assert.Equal(t, exitDone, code, errors)
	assert.Contains(t, out, "wait@3: stopped, the best so far is kept, better than its base")

	code, out, errors = b.run("redrive", id, "--detach", "--json")
	require.Equal(t, exitDone, code, errors)
	assert.Equal(t, id, decode[started](t, out).WorkflowID)
	assert.NotContains(t, errors, "nothing to redrive", "a stopped run can be trained on")
	code, _, errors = b.run("cancel", id)
	assert.Equal(t, exitDone, code, errors)
	code, _, errors = b.run("watch", id)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "the job was cancelled")
}

func testTrainResults(t *testing.T, b *bench) {
	file, _ := datasetOf(t, b.dir, 60)
	train := func(method, name string, more ...string) (int, string, string) {
		return b.run(append([]string{"train", method, "--dataset", file, "--base-model", "org/base", "--name", name}, more...)...)
	}
	code, out, errors := train("dpo", "weak")
	assert.Equal(t, exitDone, code, "trained, if to no avail: %s", errors)
	assert.Contains(t, out, "weak@3: trained, not better than its base")
	assert.Contains(t, out, "activate weak@3 --force")
	code, out, errors = train("dpo", "weak", "--json")
	assert.Equal(t, exitDone, code, errors)
	assert.False(t, decode[workflows.TrainResult](t, out).Better)
	code, _, errors = train("sft", "broken")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "input error: line 3: chosen = rejected")
	code, _, errors = train("sft", "continue", "--id", "continued", "--budget", "9")
	assert.Equal(t, exitFailed, code, errors)
	code, out, errors = b.run("redrive", "continued", "--detach", "--json")
	require.Equal(t, exitDone, code, errors)
	begun, err := firstEvent(t.Context(), b.client, "continued", decode[started](t, out).RunID)
	require.NoError(t, err)
	_, uri := datasetOf(t, b.dir, 60)
	assert.JSONEq(t, `{"tenant": "default", "priority": 3, "budget_usd": 50, "name": "continue", "base_model": "org/base", "dataset": {"uri": "`+uri+`", "name": "rows-60.jsonl"}}`,
		string(begun.GetInput().GetPayloads()[0].GetData()), "the input of the first run, and the budget of the last")
	code, _, errors = b.run("stop", "train-nobody")
	assert.Equal(t, exitFailed, code, errors)
}

func testTrainAuto(t *testing.T, b *bench) {
	file, _ := datasetOf(t, b.dir, 60)
	code, out, errors := b.run("train", "--method", "auto", "--dataset", file, "--base-model", "org/base")
	assert.Equal(t, exitDone, code, errors)
	assert.Contains(t, errors, "Method: sft (60 examples")
	assert.Contains(t, out, "sft-base@3: trained")

	file, _ = datasetOf(t, b.dir, 10)
	code, _, errors = b.run("train", "auto", "--dataset", file, "--base-model", "org/base")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "10 of 50 examples")
	code, _, errors = b.run("train", "auto", "--dataset", "s3://bucket/x.jsonl", "--base-model", "org/base")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errors, "name the method")
}

func testSweepCommand(t *testing.T, b *bench) {
	file, uri := datasetOf(t, b.dir, 60)
	args := []string{
		"train", "sweep", "sft", "--dataset", file, "--base-model", "org/base", "--name", "support", "--set", "epochs=1", "--budget", "9",
		"--grid", "learning_rate=1e-4,2e-4,5e-3", "--grid", `lora.r=[8]`, "--concurrency", "3",
	}
	code, out, errors := b.run(args...)
	assert.Equal(t, exitPartial, code, errors)
	assert.Contains(t, out, "3 runs, 1 failed, $1.48")
	id, _, _ := strings.Cut(strings.TrimPrefix(errors, "Started "), "\n")
	assert.Regexp(t, `^sweep-default-support-[0-9a-f]{12}$`, id)
	begun, err := firstEvent(t.Context(), b.client, id, "")
	require.NoError(t, err)
	assert.JSONEq(t, `{"tenant": "default", "priority": 3, "budget_usd": 9, "method": "sft", "concurrency": 3,
		"train": {"name": "support", "base_model": "org/base", "dataset": {"uri": "`+uri+`", "name": "rows-60.jsonl"}, "sft_config": {"epochs": 1}},
		"grid": {"sft_config.learning_rate": [1e-4, 2e-4, 5e-3], "lora.r": [8]}}`, string(begun.GetInput().GetPayloads()[0].GetData()))
}

func testAdapters(t *testing.T, b *bench) {
	code, out, errors := b.run("adapters", "list", "support", "--json")
	assert.Equal(t, exitDone, code, errors)
	assert.Len(t, decode[registry.AdapterList](t, out).Adapters, 2)
	_, out, _ = b.run("adapters", "list", "other")
	assert.Equal(t, "No adapters.\n", out)
	code, out, errors = b.run("adapters", "show", "support@v3")
	assert.Equal(t, exitDone, code, errors)
	assert.Contains(t, out, "HuggingFaceTB/SmolLM3-3B")
	code, _, errors = b.run("adapters", "show", "support@9")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "no such adapter")

	code, out, errors = b.run("adapters", "activate", "support@3")
	assert.Equal(t, exitDone, code, errors)
	assert.Equal(t, "support@3 is active in the role support.\nThe model server serves it as default--support.\n", out)
	code, _, errors = b.run("adapters", "activate", "weak")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "force activates it")
	code, _, errors = b.run("adapters", "activate", "weak", "--force")
	assert.Equal(t, exitDone, code, errors)
	_, out, _ = b.run("adapters", "rollback", "support")
	assert.Contains(t, out, "support@2 is active in the role support.")
	_, out, _ = b.run("adapters", "deactivate", "support")
	assert.Equal(t, "No adapter is active in the role support.\n", out)
}

func testDownload(t *testing.T, b *bench) {
	a := &App{Process: Process{Getenv: b.getenv}}
	store, err := a.store(t.Context())
	require.NoError(t, err)
	for name, text := range adapterFiles() {
		_, err := store.Put(t.Context(), training.AdapterPrefix("default", "support", 3)+name, strings.NewReader(text))
		require.NoError(t, err)
	}
	to := filepath.Join(b.dir, "down", "support")
	require.NoError(t, os.Mkdir(filepath.Dir(to), 0o750))
	code, out, errors := b.run("adapters", "download", "support@3", "--to", to, "--json")
	require.Equal(t, exitDone, code, errors)
	assert.Equal(t, downloaded{Name: "support", Version: 3, Path: to, Files: 3, Bytes: 18}, decode[downloaded](t, out))
	for name, text := range adapterFiles() {
		data, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		assert.Equal(t, text, string(data))
	}
	code, _, errors = b.run("adapters", "download", "support@3", "--to", to)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "nothing is overwritten")
	for name, want := range map[string]string{"wrong": "not what the manifest says", "escape": "outside the directory"} {
		code, _, errors = b.run("adapters", "download", name, "--to", to+name)
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, errors, want)
	}
	left, err := os.ReadDir(filepath.Dir(to))
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing half-done is left: %v", left)
}

func TestTrainUsage(t *testing.T) {
	t.Parallel()
	file, _ := datasetOf(t, t.TempDir(), 3)
	b := &bench{t: t, dir: t.TempDir()} // no server: none of these comes so far
	base := []string{"--dataset", file, "--base-model", "org/base"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no method":         {[]string{"train"}, "name a method"},
		"no such method":    {append([]string{"train", "--method", "ppo"}, base...), "unknown method"},
		"no such word":      {[]string{"train", "ppo"}, "unknown command"},
		"no dataset":        {[]string{"train", "sft", "--base-model", "m"}, "--dataset wants"},
		"no model":          {[]string{"train", "sft", "--dataset", file}, "--base-model wants"},
		"unknown setting":   {append([]string{"train", "sft", "--set", "epoch=1"}, base...), "epoch"},
		"setting of dpo":    {append([]string{"train", "sft", "--set", "beta=0.1"}, base...), "beta"},
		"no number":         {append([]string{"train", "sft", "--set", "epochs=many"}, base...), "epochs"},
		"out of range":      {append([]string{"train", "sft", "--set", "learning_rate=-1"}, base...), "learning_rate"},
		"unknown lora":      {append([]string{"train", "sft", "--set", "lora.rank=1"}, base...), "rank"},
		"through a value":   {append([]string{"train", "sft", "--set", "lora.r=1", "--set", "lora.r.x=1"}, base...), "r is no object"},
		"no value":          {append([]string{"train", "sft", "--set", "epochs"}, base...), "name=value"},
		"bad name":          {append([]string{"train", "sft", "--name", "../x"}, base...), "letters, digits"},
		"bad role":          {append([]string{"train", "sft", "--role", "_roles"}, base...), "letters, digits"},
		"bad wait":          {append([]string{"train", "sft", "--gpu-wait", "soon"}, base...), "--gpu-wait wants a time"},
		"bad timeout":       {append([]string{"train", "sft", "--timeout", "-1h"}, base...), "--timeout wants a time"},
		"bad tenant":        {append([]string{"train", "sft", "--tenant", "a b"}, base...), "tenant"},
		"no grid":           {append([]string{"train", "sweep", "sft"}, base...), "--grid wants"},
		"empty grid":        {append([]string{"train", "sweep", "sft", "--grid", "epochs="}, base...), "--grid wants"},
		"grid twice":        {append([]string{"train", "sweep", "sft", "--grid", "epochs=1", "--grid", "epochs=2"}, base...), "twice"},
		"value twice":       {append([]string{"train", "sweep", "sft", "--grid", "epochs=1,1"}, base...), "twice"},
		"dry sweep":         {append([]string{"train", "sweep", "sft", "--grid", "epochs=1", "--dry-run"}, base...), "no --dry-run"},
		"bad adapter":       {[]string{"adapters", "show", "a/b"}, "letters, digits"},
		"bad version":       {[]string{"adapters", "show", "a@0"}, "want a number from 1 on"},
		"version of a role": {[]string{"adapters", "rollback", "a@2"}, "takes a role"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{t: t, dir: b.dir}
			code, _, errors := b.run(c.args...)
			assert.Equal(t, exitUsage, code, errors)
			assert.Contains(t, errors, c.want)
		})
	}
	code, _, errors := b.run("train", "sft", "--dataset", file+".gone", "--base-model", "org/base")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "no such file")
	code, _, errors = b.run("train", "sft", "--dataset", b.dir, "--base-model", "org/base")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "want a regular file")
}

// A file that changes while it is read is not stored under the hash it had.
func TestSameAs(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("old"))
	s := &sameAs{r: strings.NewReader("new"), sum: sha256.New(), want: hex.EncodeToString(sum[:]), name: "x.jsonl"}
	var into bytes.Buffer
	_, err := into.ReadFrom(s)
	require.ErrorContains(t, err, "it changed while it was read")
	s = &sameAs{r: strings.NewReader("old"), sum: sha256.New(), want: hex.EncodeToString(sum[:])}
	_, err = into.ReadFrom(s)
	assert.NoError(t, err)
}

func TestMovementShowsLargeFiles(t *testing.T) {
	t.Parallel()
	var log, terminal output
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	m := moving(t.Context(), NewLines(&log, now), strings.NewReader("abc"), "upload x", largeFile).(*movement)
	m.task.last = time.Time{}
	_, err := new(bytes.Buffer).ReadFrom(m)
	require.NoError(t, err)
	assert.Equal(t, "03:04:05 upload x: 3 B of 32 MiB\n", log.String())
	b := NewBars(&terminal)
	_, err = new(bytes.Buffer).ReadFrom(moving(t.Context(), b, strings.NewReader("abc"), "upload x", largeFile))
	require.NoError(t, err)
	b.End()
}

func TestTrainGolden(t *testing.T) {
	t.Parallel()
	golden(t, "train", printed(func(a *App) { a.printTrain("train-x", someTraining()) }))
	weak := someTraining()
	weak.Status, weak.Better, weak.Comparison, weak.BaseMetrics, weak.Ignored = "unchanged", false, nil, nil, []string{"output_dir", hostile}
	golden(t, "train_weak", printed(func(a *App) { a.printTrain("train-x", weak) }))
	cost := 0.8
	plan := workflows.TrainResult{
		Job: "0123456789abcdef01234567", Method: training.SFT, Status: "dry_run",
		Plan: &train.Plan{
			Spec: training.Spec{Model: "HuggingFaceTB/SmolLM3-3B", Config: training.Config{MaxSeqLength: 512}},
			Estimate: estimate.Estimate{
				Parameters: 3_075_098_624, LoRAParameters: 3_784_704, Numerics: training.BF16, Tokens: 1_834_221, Steps: 540,
				Classes: []estimate.ClassEstimate{
					{Class: "t4", NeedBytes: 17 << 30, HasBytes: 15 << 30, Source: estimate.Unknown, Reason: "needs 2.0 GiB more than it has"},
					{Class: "a10g", Fits: true, WithinBudget: true, NeedBytes: 12 << 30, HasBytes: 22 << 30, MicroBatch: 4, Accumulation: 4, TokensPerSecond: 700, Seconds: 2620, CostUSD: &cost, Source: estimate.Formula},
					{Class: "h100", Fits: true, NeedBytes: 12 << 30, HasBytes: 79 << 30, MicroBatch: 4, Accumulation: 4, TokensPerSecond: 12_000, Seconds: 153, Source: estimate.Measured, Reason: "over the budget"},
				},
			},
		},
		Check: &dataset.Check{
			OK: true, Method: training.SFT, HeldOut: 319, TrainFile: &training.File{Rows: 2872}, EvalFile: &training.File{Rows: 319},
			Train: dataset.Survey{
				Name: "support.jsonl", Format: rows.FormatAlpaca, Container: "jsonl", Rows: 3204, Kept: 3191, Dropped: 13, Duplicates: 41,
				Tokens: dataset.Spread{P50: 188, P90: 401, P99: 603, Max: 1210}, Truncated: 212,
			},
			Problems:    []dataset.Problem{{Severity: dataset.SeverityWarning, Line: 17, Row: 17, Field: "output", Reason: "the answer is " + hostile, Fix: "write one"}},
			Suggestions: []string{"raise max_seq_length to 640"},
		},
	}
	golden(t, "train_plan", printed(func(a *App) { a.printTrain("train-x", plan) }))
}

func TestSweepGolden(t *testing.T) {
	t.Parallel()
	in := workflows.SweepInput{}
	grid, err := readGrid(training.SFT, []string{"learning_rate=1e-4,2e-4,5e-3"})
	require.NoError(t, err)
	in.Grid = grid
	r, err := standInSweep(nil, in)
	require.NoError(t, err)
	golden(t, "sweep", printed(func(a *App) { a.printSweep("sweep-x", r) }))
}

func TestAdaptersGolden(t *testing.T) {
	t.Parallel()
	golden(t, "adapters", printed(func(a *App) { a.printAdapters(someAdapters()) }))
	golden(t, "adapter", printed(func(a *App) { a.printAdapter(someAdapter()) }))
}

func TestTrainLinesGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out, terminal bytes.Buffer
	l, b := NewLines(&out, func() time.Time { return now }), NewBars(&terminal)
	show := func(after time.Duration, s *trainProgress) {
		now = now.Add(after)
		l.Show(s, false)
		b.Show(s, false)
	}
	loss := 2.5
	p := workflows.TrainProgress{Method: training.SFT, Name: "support", Base: "org/base", Stage: "check"}
	one := func() *trainProgress { return &trainProgress{trains: []trainSample{{"train-x", p}}} }
	show(0, one())
	p.Stage, p.GPU, p.Waiting = "train", "a10g", "a worker of queue train-a10g"
	show(2*time.Second, one())
	p.Waiting, p.Report = "", train.Report{Phase: "load"}
	show(2*time.Second, one())
	p.Report = train.Report{Phase: "train", Step: 10, Total: 540, Loss: &loss, TokensPerSecond: 760, ETASeconds: 2100}
	p.CostUSD = 0.003
	show(2*time.Second, one())
	p.Step = 20
	show(2*time.Second, one()) // nothing new
	show(4*time.Second, one()) // five seconds
	p.Checkpoint = 20
	show(time.Second, one()) // a checkpoint
	p.Paused = true
	show(time.Second, one())
	p.Paused, p.Trouble = false, "cannot store the checkpoint: no space left"
	show(time.Second, one())
	s := workflows.SweepResult{Runs: make([]workflows.SweepRun, 4), CostUSD: 1.5}
	s.Runs[0].Result = &workflows.TrainResult{}
	many := &trainProgress{sweep: &s}
	for i := range 4 {
		many.trains = append(many.trains, trainSample{fmt.Sprintf("sweep-x/00%d", i), workflows.TrainProgress{Name: "support", Stage: "plan"}})
	}
	show(time.Second, many)
	golden(t, "train_lines", out.String())
	b.End()
}

func TestGridValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1e-4,2":                      "[1e-4 2]",
		"linear,cosine":               "[linear cosine]",
		`[["q_proj"],["all-linear"]]`: "[[q_proj] [all-linear]]",
		"true":                        "[true]",
		`"a,b"`:                       "[a,b]",
		`["a,b"]`:                     "[a,b]",
	} {
		assert.Equal(t, want, fmt.Sprint(gridValues(text)))
	}
}

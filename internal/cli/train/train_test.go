package train

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/rows"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

func TestTrainGolden(t *testing.T) {
	t.Parallel()
	clitest.Golden(t, "train", clitest.Printed(func(a *cli.App) { app{a}.printTrain("train-x", clitest.Training()) }))
	weak := clitest.Training()
	weak.Modules = "every linear layer"
	weak.TensorBoard = "acme/adapters/support/3/tensorboard/"
	weak.Status, weak.Better, weak.Comparison, weak.BaseMetrics, weak.Ignored = "unchanged", false, nil, nil, []string{"output_dir", clitest.Malicious}
	clitest.Golden(t, "train_weak", clitest.Printed(func(a *cli.App) { app{a}.printTrain("train-x", weak) }))
	cost := 0.8
	plan := trainflow.Result{
		Job: "0123456789abcdef01234567", Method: training.SFT, Status: "dry_run",
		Plan: &train.Plan{
			Spec: training.Spec{
				Model: "HuggingFaceTB/SmolLM3-3B", Config: training.Config{MaxSeqLength: 512},
				LoRA: &training.LoRA{TargetModules: []string{"k_proj", "o_proj", "q_proj", "v_proj"}},
			},
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
			Problems:    []dataset.Problem{{Severity: dataset.SeverityWarning, Line: 17, Row: 17, Field: "output", Reason: "the answer is " + clitest.Malicious, Fix: "write one"}},
			Suggestions: []string{"raise max_seq_length to 640"},
		},
	}
	clitest.Golden(t, "train_plan", clitest.Printed(func(a *cli.App) { app{a}.printTrain("train-x", plan) }))
}

func TestSweepGolden(t *testing.T) {
	t.Parallel()
	in := trainflow.SweepInput{}
	grid, err := readGrid(training.SFT, []string{"learning_rate=1e-4,2e-4,5e-3"})
	require.NoError(t, err)
	in.Grid = grid
	r, err := clitest.Sweep(nil, in)
	require.NoError(t, err)
	clitest.Golden(t, "sweep", clitest.Printed(func(a *cli.App) { app{a}.printSweep("sweep-x", r) }))
}

func TestTrainLinesGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out, terminal bytes.Buffer
	l, b := cli.NewLines(&out, func() time.Time { return now }), cli.NewBars(&terminal)
	show := func(after time.Duration, s *progress) {
		now = now.Add(after)
		l.Show(s, false)
		b.Show(s, false)
	}
	loss := 2.5
	p := trainflow.Progress{Method: training.SFT, Name: "support", Base: "org/base", Stage: "check"}
	one := func() *progress { return &progress{trains: []sample{{id: "train-x", Progress: p, at: now}}} }
	show(0, one())
	p.Stage, p.GPU, p.Waiting = "train", "a10g", "a worker of queue train-a10g"
	show(2*time.Second, one())
	p.Waiting, p.Report = "", train.Report{Phase: "load"}
	show(2*time.Second, one())
	p.Report = train.Report{Phase: "train", Step: 10, Total: 540, Loss: &loss, TokensPerSecond: 760, ETASeconds: 2100}
	p.CostUSD = 0.003
	show(2*time.Second, one())
	p.Step = 20
	show(2*time.Second, one()) // no change
	show(4*time.Second, one()) // five seconds since the last line
	p.Checkpoint = 20
	show(time.Second, one()) // a checkpoint
	p.Paused = true
	show(time.Second, one())
	p.Paused, p.Trouble = false, "cannot store the checkpoint: no space left"
	show(time.Second, one())
	s := trainflow.SweepResult{Runs: make([]trainflow.SweepRun, 4), CostUSD: 1.5}
	s.Runs[0].Result = &trainflow.Result{}
	many := &progress{sweep: &s}
	for i := range 4 {
		many.trains = append(many.trains, sample{id: fmt.Sprintf("sweep-x/00%d", i), Progress: trainflow.Progress{Name: "support", Stage: "plan"}})
	}
	show(time.Second, many)
	clitest.Golden(t, "train_lines", out.String())
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

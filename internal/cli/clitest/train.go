package clitest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

func trainStandIns() map[string]any {
	return map[string]any{
		"TrainSFT": func(ctx workflow.Context, in trainflow.Input) (trainflow.Result, error) {
			return standInTrain(ctx, training.SFT, in)
		},
		"TrainDPO": func(ctx workflow.Context, in trainflow.Input) (trainflow.Result, error) {
			return standInTrain(ctx, training.DPO, in)
		},
		"TrainKTO": func(ctx workflow.Context, in trainflow.Input) (trainflow.Result, error) {
			return standInTrain(ctx, training.KTO, in)
		},
		"TrainSweep":        Sweep,
		"ListAdapters":      standInAdapters,
		"ShowAdapter":       standInAdapter,
		"ActivateAdapter":   standInActivate,
		"DeactivateAdapter": standInDeactivate,
		"RollbackAdapter":   standInActivate,
	}
}

// standInTrain is a fake of a training workflow; the name of the adapter selects its outcome.
func standInTrain(ctx workflow.Context, method training.Method, in trainflow.Input) (trainflow.Result, error) {
	progress := trainflow.Progress{
		Method: method, Name: in.Name, Base: in.BaseModel, Stage: "train", GPU: "cpu", Waiting: "a worker of queue train-cpu",
	}
	err := workflow.SetQueryHandler(ctx, workflows.QueryProgress, func() (trainflow.Progress, error) { return progress, nil })
	if err != nil {
		return trainflow.Result{}, err
	}
	r := Training()
	r.Method, r.Adapter = method, in.Name
	switch in.Name {
	case "long":
		r.TooLong = 3
	case "weak":
		r.Better, r.Comparison.Better, r.Comparison.Verdict = false, false, "the difference is not significant"
	case "continue": // as after continue-as-new, which replaces the URI of the dataset
		if in.Role != "again" {
			in.Role, in.BudgetUSD, in.Dataset.URI = "again", 50, "dataset:other"
			return r, workflow.NewContinueAsNewError(ctx, "TrainSFT", in)
		}
		return r, temporal.NewNonRetryableApplicationError("diverged", "input", nil)
	case "broken":
		return r, temporal.NewNonRetryableApplicationError("line 3: chosen = rejected", "input", nil)
	case "wait":
		running, cancel := workflow.WithCancel(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, HeartbeatTimeout: time.Minute, WaitForCancellation: true,
		}))
		trained := workflow.ExecuteActivity(running, "RunTraining")
		stop := workflow.GetSignalChannel(ctx, workflows.SignalStop)
		err := workflow.Await(ctx, func() bool { return stop.ReceiveAsync(nil) })
		cancel()
		_ = trained.Get(running, nil) // the error is the cancellation
		if err != nil {
			return r, err
		}
		r.Status = "stopped"
	}
	return r, nil
}

// standInTraining reports one state until it is cancelled.
func standInTraining(ctx context.Context) error {
	loss := 1.234
	pulse := map[string]any{
		"tally":  train.Tally{CostMicroUSD: 120_000},
		"report": train.Report{Phase: "train", Step: 12, Total: 100, Loss: &loss, TokensPerSecond: 760.4, ETASeconds: 90, Checkpoint: 10, BestStep: 10, Device: "a CPU"},
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		activity.RecordHeartbeat(ctx, pulse)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// Sweep is a fake of TrainSweep. Its first run is the best; all runs after the second fail.
func Sweep(_ workflow.Context, in trainflow.SweepInput) (trainflow.SweepResult, error) {
	one, other := Training(), Training()
	other.Metrics, other.Version = map[string]float64{"loss": 1.5}, 4
	out := trainflow.SweepResult{Best: 0, Failed: 1, CostUSD: 1.48, Report: "default/reports/s/t.html"}
	for i, rate := range in.Grid["sft_config.learning_rate"] {
		run := trainflow.SweepRun{Overrides: map[string]json.RawMessage{"sft_config.learning_rate": rate}, WorkflowID: "x/00" + string(rune('0'+i))}
		switch i {
		case 0:
			run.Result = &one
		case 1:
			run.Result = &other
		default:
			run.Failure = &video.Failure{Stage: "train", Class: "capacity", Reason: "nothing fits"}
		}
		out.Runs = append(out.Runs, run)
	}
	return out, nil
}

// Training is the result of the fake training run.
func Training() trainflow.Result {
	return trainflow.Result{
		Job: "0123456789abcdef01234567", Method: training.SFT, Adapter: "support", Version: 3, Role: "support", Status: "trained", Better: true,
		Metrics: map[string]float64{"loss": 1.214, "accuracy": 0.6931}, BaseMetrics: map[string]float64{"loss": 1.905, "accuracy": 0.5712},
		Comparison: &training.Comparison{Metric: "loss", LowerIsBetter: true, Better: true, Verdict: "loss is lower by 0.6910 (95 % interval 0.6400 to 0.7420)"},
		GPU:        "a10g", Device: "NVIDIA A10G", Steps: 540, Redone: 7, Tokens: 1_834_221, Seconds: 2412, CostUSD: 0.74, Report: "default/reports/x/y.html",
	}
}

// AdapterFiles are the files of the adapter that the fakes return.
func AdapterFiles() map[string]string {
	return map[string]string{"adapter_config.json": "{}", "adapter_model.safetensors": "weights", "README.md": "# support"}
}

// Adapter is the adapter that the fakes return.
func Adapter() registry.AdapterDetail {
	r := Training()
	d := registry.AdapterDetail{Status: "active", Prefix: training.AdapterPrefix("default", "support", 3)}
	d.Adapter = training.Adapter{
		Name: "support", Version: 3, Role: "support", Kind: training.KindAdapter, Job: r.Job, Workflow: "train-default-support-0123456789ab",
		Spec: training.Spec{
			Method: training.SFT, Model: "HuggingFaceTB/SmolLM3-3B", Revision: "a07cc9a", Dataset: "d00d", Seed: 42, Numerics: training.BF16,
			LoRA: &training.LoRA{R: 8, Alpha: 16, Dropout: 0.1, TargetModules: []string{"q_proj", "v_proj"}},
		},
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Outcome: training.Outcome{
			Ended: "done", Steps: 540, BestStep: 432, Seconds: 2412, CostUSD: 0.74, GPU: "a10g", Device: "NVIDIA A10G",
			Metrics: r.Metrics, BaseMetrics: r.BaseMetrics, Comparison: r.Comparison,
		},
	}
	for _, name := range []string{"README.md", "adapter_config.json", "adapter_model.safetensors"} {
		text := AdapterFiles()[name]
		sum := sha256.Sum256([]byte(text))
		d.Files = append(d.Files, training.CheckpointFile{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
	}
	return d
}

func standInAdapters(_ workflow.Context, in trainflow.ListAdaptersInput) (registry.AdapterList, error) {
	if in.Name != "" && in.Name != "support" {
		return registry.AdapterList{Adapters: []registry.AdapterLine{}}, nil
	}
	return Adapters(), nil
}

// Adapters lists the version of Adapter and the previous one.
func Adapters() registry.AdapterList {
	d := Adapter()
	l := registry.AdapterLine{
		Name: d.Name, Version: 3, Role: d.Role, Status: "active", Kind: d.Kind, Method: d.Spec.Method, Base: d.Spec.Model, Better: true,
		Metrics: d.Outcome.Metrics, Job: d.Job, Bytes: 37 << 20, Created: d.Created,
	}
	old := l
	old.Version, old.Status, old.Better, old.Metrics, old.Bytes = 2, "inactive", false, nil, 0
	return registry.AdapterList{Adapters: []registry.AdapterLine{l, old}, More: true}
}

func standInAdapter(_ workflow.Context, in trainflow.ShowAdapterInput) (registry.AdapterDetail, error) {
	d := Adapter()
	switch {
	case in.Name == "wrong":
		d.Files[1].SHA256 = d.Files[0].SHA256
	case in.Name == "escape":
		d.Files[2].Name = "../escaped"
	case in.Name != d.Name || in.Version > 3:
		return d, temporal.NewNonRetryableApplicationError("no such adapter "+in.Name, "input", nil)
	}
	return d, nil
}

func standInActivate(_ workflow.Context, in trainflow.ActivateAdapterInput) (trainflow.ActivateAdapterResult, error) {
	if in.Name == "weak" && !in.Force {
		return trainflow.ActivateAdapterResult{}, temporal.NewNonRetryableApplicationError("not better than its base; force activates it", "input", nil)
	}
	r := training.Role{Role: in.Role, Active: &training.Activation{Name: "support", Version: max(in.Version, 2)}}
	if r.Role == "" {
		r.Role = in.Name
	}
	return trainflow.ActivateAdapterResult{Role: r, Loaded: "default--support"}, nil
}

func standInDeactivate(_ workflow.Context, in trainflow.ActivateAdapterInput) (trainflow.ActivateAdapterResult, error) {
	return trainflow.ActivateAdapterResult{Role: training.Role{Role: in.Role}}, nil
}

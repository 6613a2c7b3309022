package clitest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

func optimizeStandIns() map[string]any {
	return map[string]any{
		"OptimizePrompts": standInOptimize, "ListPrograms": standInPrograms, "ShowProgram": standInProgram,
		"PromoteProgram": standInPromote, "RollbackProgram": standInPromote,
		"CanaryProgram": standInCanary,
	}
}

// Optimizing is the progress of the fake optimization.
func Optimizing() optimizeflow.Progress {
	return optimizeflow.Progress{
		Name: "agentic-router", Tenant: "default", Mode: "improved", Stage: "search", Planned: 21, Default: 51, Answers: 834, Calls: 800, CostUSD: 0.31,
		Trials: []optimize.TrialLine{
			{Kind: search.DefaultTrial, Choice: "0d0 0i0", Rows: 100, Score: 51}, {Number: 1, Kind: search.RaceTrial, Choice: "0d1 0i2", Rows: 100, Score: 64},
		},
	}
}

// Optimized is the result of the fake optimization.
func Optimized() optimizeflow.Result {
	return optimizeflow.Result{
		Program: "agentic-router", Version: 4, Job: "0123456789abcdef01234567", Status: "optimized", Promoted: true, DefaultScore: 54.6, Score: 68.8,
		Verdict: prompt.Verdict{Examples: 45, Gain: &prompt.Gain{Low: 0.031, High: 0.312, Estimate: 0.142}, Before: 0.522, After: 0.711, Bound: 0.098, Chance: 0.0021, Promote: true},
		Trials:  22, Calls: 1834, Repeated: 3, CostUSD: 0.74, Report: "default/reports/x/y.html",
	}
}

// Quote is the result of a dry run.
func Quote() optimizeflow.Result {
	return optimizeflow.Result{Job: "0123456789abcdef01234567", Status: "dry_run", Plan: &optimize.Plan{
		Job: "0123456789abcdef01234567", Name: "agentic-router", Predictors: 1, Train: 20, Val: 80, Confirm: 43, Trials: 21, TokensIn: 2_112_000, TokensOut: 140_800, CostUSD: 1.94, Priced: true,
		Quote:  mipro.Quote{Student: 1234, Teacher: 100, Proposer: 24, Judge: 50, Retries: 1358},
		Listed: "2026-08-21", Seconds: 335.2, Pace: []optimize.Pace{
			{Model: "smollm3-3b", Seconds: 0.8, Measured: true, AtOnce: 4},
			{Model: "gpt-4o", Seconds: 2, AtOnce: 4},
			{Model: "gpt-4o", Seconds: 2, AtOnce: 4},
			{Model: "gpt-4o", Seconds: 2, AtOnce: 4},
		},
		Models: prompt.Models{Student: "smollm3-3b", Teacher: "gpt-4o", Proposer: "gpt-4o", Judge: "gpt-4o"},
	}}
}

// standInOptimize is a fake of OptimizePrompts; the name of the program selects its outcome.
func standInOptimize(ctx workflow.Context, in optimizeflow.Input) (optimizeflow.Result, error) {
	progress := Optimizing()
	err := workflow.SetQueryHandler(ctx, workflows.QueryProgress, func() (optimizeflow.Progress, error) { return progress, nil })
	if err != nil {
		return optimizeflow.Result{}, err
	}
	r := Optimized()
	if in.DryRun {
		return Quote(), nil
	}
	switch in.Name {
	case "broken":
		return r, temporal.NewNonRetryableApplicationError("the examples have no column \"agent\"", "input", nil)
	case "wait":
		stop := workflow.GetSignalChannel(ctx, workflows.SignalStop)
		if err := workflow.Await(ctx, func() bool { return stop.ReceiveAsync(nil) }); err != nil {
			return r, err
		}
		r.Status = "stopped"
	case "approve":
		progress.Stage, progress.Waiting = "publish", "approval"
		var said *bool
		err := workflow.SetUpdateHandler(ctx, workflows.UpdateApprove, func(_ workflow.Context, yes bool) error { said = &yes; return nil })
		if err != nil {
			return r, err
		}
		if err := workflow.Await(ctx, func() bool { return said != nil }); err != nil {
			return r, err
		}
		r.Promoted = *said
	}
	return r, nil
}

// ProgramText is a program with one predictor.
func ProgramText(instructions string, demos ...string) json.RawMessage {
	list := make([]string, len(demos))
	for i, d := range demos {
		list[i] = `{"query": "` + d + `", "agent": "text"}`
	}
	return json.RawMessage(`{"name": "agentic-router", "predictors": [{"name": "route", "instructions": "` + instructions + `",
		"inputs": [{"name": "query"}], "outputs": [{"name": "agent"}], "demos": [` + strings.Join(list, ", ") + `]}]}`)
}

// ProgramFiles are the files of the program that the fakes return.
func ProgramFiles() map[string]string {
	return map[string]string{"program.json": `{"route": {}}`, "state.json": `{}`, "source.json": `{"name": "agentic-router"}`, "trials.jsonl": "{}\n"}
}

// Program is the version that the fakes return.
func Program() registry.ProgramDetail {
	r := Optimized()
	d := registry.ProgramDetail{
		Status: "active", Prefix: "default/programs/agentic-router/4/",
		Program: ProgramText("Route the query to an agent.\\nInvoices are text.", "show me the keynote", "sum up the talk"),
	}
	d.Release = prompt.Release{
		Name: "agentic-router", Version: 4, Job: r.Job, Workflow: "optimize-default-agentic-router-0123456789ab", Mode: "improved",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Default: r.DefaultScore, Score: r.Score, Verdict: r.Verdict, Trials: 22, Calls: 1834, Repeated: 3, CostUSD: 0.74,
		Models: prompt.Models{Student: "smollm3-3b", Teacher: "gpt-4o", Proposer: "gpt-4o"},
	}
	for _, name := range []string{"program.json", "source.json", "state.json", "trials.jsonl"} {
		text := ProgramFiles()[name]
		sum := sha256.Sum256([]byte(text))
		d.Files = append(d.Files, training.CheckpointFile{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
	}
	return d
}

// Programs lists the version of Program and the previous one.
func Programs() registry.ProgramList {
	d := Program()
	l := registry.ProgramLine{
		Name: d.Name, Version: 4, Status: "active", Mode: d.Mode, Default: d.Default, Score: d.Score, Promote: true, Rows: 45, Calls: d.Calls, CostUSD: d.CostUSD, Created: d.Created,
	}
	old := l
	old.Version, old.Status, old.Promote, old.Score = 3, "deprecated", false, 52.0
	return registry.ProgramList{Programs: []registry.ProgramLine{l, old}}
}

func standInPrograms(_ workflow.Context, in optimizeflow.ListProgramsInput) (registry.ProgramList, error) {
	if in.Name != "" && in.Name != "agentic-router" {
		return registry.ProgramList{Programs: []registry.ProgramLine{}}, nil
	}
	return Programs(), nil
}

func standInProgram(_ workflow.Context, in optimizeflow.ProgramInput) (registry.ProgramDetail, error) {
	d := Program()
	switch {
	case in.Name == "wrong":
		d.Files[0].SHA256 = d.Files[1].SHA256
	case in.Name == "less":
		d.Files = d.Files[1:]
	case in.Name == "tried":
		d.Name, d.Active, d.Canary = in.Name, &training.Activation{Name: in.Name, Version: 4, Since: d.Created}, Canary(in.Name)
		if in.Version == 5 {
			d.Version, d.Status = 5, "canary"
		}
	case in.Name != d.Name || in.Version > 4:
		return d, temporal.NewNonRetryableApplicationError("find program: not found", "input", nil)
	case in.Version == 3:
		d.Version, d.Score, d.Program = 3, 52, ProgramText("Route the query.", "show me the keynote", "a demo that goes")
	}
	return d, nil
}

func standInPromote(_ workflow.Context, in optimizeflow.ProgramInput) (training.Role, error) {
	if in.Version == 3 && !in.Force {
		return training.Role{}, temporal.NewNonRetryableApplicationError("not better; force promotes it anyway", "input", nil)
	}
	version := in.Version
	if version == 0 {
		version = 2
	}
	return training.Role{Role: in.Name, Active: &training.Activation{Name: in.Name, Version: version}}, nil
}

// Canary is a canary of a program.
func Canary(name string) *training.Canary {
	since := time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC)
	return &training.Canary{Activation: training.Activation{Name: name, Version: 5, Since: since}, Share: 10}
}

func standInCanary(_ workflow.Context, in optimizeflow.ProgramInput) (training.Role, error) {
	role := training.Role{Role: in.Name, Active: &training.Activation{Name: in.Name, Version: 4}}
	if in.Share > 0 {
		role.Canary = &training.Canary{Activation: training.Activation{Name: in.Name, Version: in.Version}, Share: in.Share}
	}
	return role, nil
}

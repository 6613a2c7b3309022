// Package catalog lists every workflow type of cogflow once. The worker, the command line,
// the reference and the tests read it. It holds no recipe.
package catalog

import (
	"slices"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/frames"
	"github.com/cogniverse/cogflow/workflows/optimize"
	trainflow "github.com/cogniverse/cogflow/workflows/train"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
)

// Type is a workflow type: workers register it, the command line starts and lists it, and
// the tests replay it.
type Type struct {
	Name     string
	Func     any    // func(workflow.Context, Input) (Result, error)
	Job      bool   // long work that a person starts and watches; otherwise it answers a question or changes one thing
	Lookup   bool   // only answers a question: cogflow deletes the run after it printed the answer
	Command  string // the cogflow command that starts it; empty = only the gateway and other clients start it
	Summary  string
	Progress any      // the answer of the query QueryProgress; nil = the query is not supported
	Signals  []string // supported signals, sorted
	Updates  []string // supported updates, sorted
	Groups   any      // what the command prints with --group --json in place of the result; nil = it has no such flag
}

// Types lists every workflow type of cogflow, jobs first.
func Types() []Type {
	steered := []string{workflows.SignalPause, workflows.SignalResume, workflows.SignalStop}
	paying := append([]string{workflows.SignalBudgets}, steered...)
	trained := append(slices.Clone(paying), train.SignalTraining)
	budget := []string{workflows.UpdateBudget}
	return []Type{
		{
			Name: "IngestLibrary", Func: ingestflow.Library, Job: true, Progress: ingestflow.LibraryProgress{}, Command: "ingest", Summary: "Ingest all videos of a folder, a prefix or a manifest",
			Signals: []string{workflows.SignalPause, workflows.SignalResume, workflows.SignalVideoDone}, Updates: []string{workflows.UpdateBudget, workflows.UpdateConcurrency},
		},
		{
			Name: "IngestVideo", Func: ingestflow.Video, Job: true, Progress: ingestflow.VideoProgress{}, Command: "ingest", Summary: "Ingest one video",
			Signals: []string{workflows.SignalBudget, workflows.SignalBudgets, ingest.SignalExtracted, workflows.SignalPause, workflows.SignalResume}, Updates: budget,
		},
		{Name: "DeleteVideo", Func: ingestflow.DeleteVideo, Job: true, Command: "videos delete", Summary: "Remove a video from the index"},
		{Name: "TrainSFT", Func: trainflow.SFT, Job: true, Progress: trainflow.Progress{}, Command: "train sft", Summary: "Fine-tune a model on prompts and completions", Signals: trained, Updates: budget},
		{Name: "TrainDPO", Func: trainflow.DPO, Job: true, Progress: trainflow.Progress{}, Command: "train dpo", Summary: "Train a model on preferences", Signals: trained, Updates: budget},
		{Name: "TrainKTO", Func: trainflow.KTO, Job: true, Progress: trainflow.Progress{}, Command: "train kto", Summary: "Train a model on rated answers", Signals: trained, Updates: budget},
		{Name: "TrainEmbedding", Func: trainflow.Embedding, Job: true, Progress: trainflow.Progress{}, Command: "train embedding", Summary: "Train an embedding model on pairs or triplets", Signals: trained, Updates: budget},
		{Name: "TrainSweep", Func: trainflow.Sweep, Job: true, Progress: trainflow.SweepResult{}, Command: "train sweep", Summary: "Train one model with several settings", Signals: steered},
		{
			Name: "OptimizePrompts", Func: optimize.Prompts, Job: true, Progress: optimize.Progress{}, Command: "optimize", Summary: "Optimize the instructions and demos of a program",
			Signals: paying, Updates: []string{workflows.UpdateApprove, workflows.UpdateBudget},
		},
		{
			Name: "DescribeFrames", Func: frames.Describe, Job: true, Progress: frames.Progress{}, Summary: "Describe a batch of frames that the gateway has stored",
			Signals: []string{workflows.SignalBudgets, workflows.SignalPause, workflows.SignalResume}, Updates: budget,
		},
		{Name: "SearchVideos", Func: ingestflow.Search, Lookup: true, Groups: ingestflow.SearchGroups{}, Command: "search", Summary: "Find moments in videos"},
		{Name: "ListVideos", Func: ingestflow.ListVideos, Lookup: true, Command: "videos list", Summary: "List what can be searched"},
		{Name: "CheckHealth", Func: workflows.CheckHealth, Lookup: true, Command: "health", Summary: "Ask every pool of workers whether it works"},
		{Name: "ListModelServers", Func: workflows.ListModelServers, Lookup: true, Command: "models list", Summary: "Ask worker processes about their model servers and GPUs"},
		{Name: "WarmModelServer", Func: workflows.WarmModelServer, Command: "models warm", Summary: "Start a model server on demand, and wait until it is ready"},
		{Name: "ReleaseModelServer", Func: workflows.ReleaseModelServer, Command: "models release", Summary: "Drain and stop a model server on demand"},
		{Name: "ListAdapters", Func: trainflow.ListAdapters, Lookup: true, Command: "adapters list", Summary: "List published adapters"},
		{Name: "ShowAdapter", Func: trainflow.ShowAdapter, Lookup: true, Command: "adapters show", Summary: "Describe one adapter"},
		{Name: "ActivateAdapter", Func: trainflow.ActivateAdapter, Command: "adapters activate", Summary: "Make an adapter serve its role"},
		{Name: "DeactivateAdapter", Func: trainflow.DeactivateAdapter, Command: "adapters deactivate", Summary: "Have a role served by its base model"},
		{Name: "RollbackAdapter", Func: trainflow.RollbackAdapter, Command: "adapters rollback", Summary: "Reactivate the previous adapter of a role"},
		{Name: "ListPrograms", Func: optimize.ListPrograms, Lookup: true, Command: "programs list", Summary: "List published programs"},
		{Name: "ShowProgram", Func: optimize.ShowProgram, Lookup: true, Command: "programs show", Summary: "Describe one version of a program"},
		{Name: "PromoteProgram", Func: optimize.PromoteProgram, Command: "programs promote", Summary: "Make a version of a program the active one"},
		{Name: "RollbackProgram", Func: optimize.RollbackProgram, Command: "programs rollback", Summary: "Reactivate the previous version of a program"},
		{Name: "CanaryProgram", Func: optimize.CanaryProgram, Command: "programs canary", Summary: "Start or stop a canary of a program"},
	}
}

// TypeOf finds a workflow type by its name.
func TypeOf(name string) (Type, bool) {
	all := Types()
	i := slices.IndexFunc(all, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return Type{}, false
	}
	return all[i], true
}

// Takes reports whether a type of workflow supports a signal or an update. The server
// stores every signal, even one that no workflow will read, so a sender checks this first.
func Takes(name, signal string) bool {
	t, _ := TypeOf(name)
	return slices.Contains(t.Signals, signal) || slices.Contains(t.Updates, signal)
}

package workflows

import (
	"slices"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
)

// Type is a workflow type: what workers register, the command line starts and lists,
// and the tests replay.
type Type struct {
	Name     string
	Func     any    // func(workflow.Context, Input) (Result, error)
	Job      bool   // long work that people start and watch; else it answers a question or changes one thing
	Command  string // of cogflow, that starts it
	Summary  string
	Progress any      // what the query QueryProgress answers; nil = it takes none
	Signals  []string // that it takes, sorted
	Updates  []string // that it takes, sorted
}

// Types lists every workflow type of cogflow, jobs first.
func Types() []Type {
	steered := []string{SignalPause, SignalResume, SignalStop}
	trained := []string{SignalPause, SignalResume, SignalStop, train.SignalTraining}
	budget := []string{UpdateBudget}
	return []Type{
		{
			Name: "IngestLibrary", Func: IngestLibrary, Job: true, Progress: LibraryProgress{}, Command: "ingest", Summary: "Ingest all videos of a folder, a prefix or a manifest",
			Signals: []string{SignalPause, SignalResume, SignalVideoDone}, Updates: []string{UpdateBudget, UpdateConcurrency},
		},
		{
			Name: "IngestVideo", Func: IngestVideo, Job: true, Progress: VideoProgress{}, Command: "ingest", Summary: "Ingest one video",
			Signals: []string{SignalBudget, ingest.SignalExtracted, SignalPause, SignalResume}, Updates: budget,
		},
		{Name: "DeleteVideo", Func: DeleteVideo, Job: true, Command: "videos delete", Summary: "Remove a video from the index"},
		{Name: "TrainSFT", Func: TrainSFT, Job: true, Progress: TrainProgress{}, Command: "train sft", Summary: "Fine-tune a model on prompts and completions", Signals: trained, Updates: budget},
		{Name: "TrainDPO", Func: TrainDPO, Job: true, Progress: TrainProgress{}, Command: "train dpo", Summary: "Train a model on preferences", Signals: trained, Updates: budget},
		{Name: "TrainEmbedding", Func: TrainEmbedding, Job: true, Progress: TrainProgress{}, Command: "train embedding", Summary: "Train an embedding model on pairs or triplets", Signals: trained, Updates: budget},
		{Name: "TrainSweep", Func: TrainSweep, Job: true, Progress: SweepResult{}, Command: "train sweep", Summary: "Train one model with several settings", Signals: steered},
		{
			Name: "OptimizePrompts", Func: OptimizePrompts, Job: true, Progress: OptimizeProgress{}, Command: "optimize", Summary: "Optimize the instructions and demos of a program",
			Signals: steered, Updates: []string{UpdateApprove, UpdateBudget},
		},
		{Name: "SearchVideos", Func: SearchVideos, Command: "search", Summary: "Find moments in videos"},
		{Name: "ListVideos", Func: ListVideos, Command: "videos list", Summary: "List what can be searched"},
		{Name: "CheckHealth", Func: CheckHealth, Command: "health", Summary: "Ask every pool of workers whether it works"},
		{Name: "ListAdapters", Func: ListAdapters, Command: "adapters list", Summary: "List published adapters"},
		{Name: "ShowAdapter", Func: ShowAdapter, Command: "adapters show", Summary: "Describe one adapter"},
		{Name: "ActivateAdapter", Func: ActivateAdapter, Command: "adapters activate", Summary: "Make an adapter serve its role"},
		{Name: "DeactivateAdapter", Func: DeactivateAdapter, Command: "adapters deactivate", Summary: "Have a role served by its base model"},
		{Name: "RollbackAdapter", Func: RollbackAdapter, Command: "adapters rollback", Summary: "Reactivate the previous adapter of a role"},
		{Name: "ListPrograms", Func: ListPrograms, Command: "programs list", Summary: "List published programs"},
		{Name: "ShowProgram", Func: ShowProgram, Command: "programs show", Summary: "Describe one version of a program"},
		{Name: "PromoteProgram", Func: PromoteProgram, Command: "programs promote", Summary: "Make a version of a program the active one"},
		{Name: "RollbackProgram", Func: RollbackProgram, Command: "programs rollback", Summary: "Reactivate the previous version of a program"},
		{Name: "CanaryProgram", Func: CanaryProgram, Command: "programs canary", Summary: "Start or stop a canary of a program"},
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

// Takes reports whether a type of workflow takes a signal or an update. The server
// stores every signal, also one that nobody will ever read, so whoever sends one asks first.
func Takes(name, signal string) bool {
	t, _ := TypeOf(name)
	return slices.Contains(t.Signals, signal) || slices.Contains(t.Updates, signal)
}

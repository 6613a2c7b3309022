package main

import (
	"context"

	"github.com/spf13/cobra"
)

// run is the program: it returns the exit code.
func run(ctx context.Context, p Process) int {
	a := &App{Process: p}
	return a.Run(ctx, rootCommand(a))
}

func rootCommand(a *App) *cobra.Command {
	root := &cobra.Command{
		Use:   "cogflow",
		Short: "Ingest and search videos, train models and optimize prompts, durably, on your own machines",
		Long: `cogflow turns folders of videos into a searchable index, datasets into adapters of language
and embedding models, and examples into better prompts. The work runs as Temporal workflows on your own workers and
survives the death of any of them.

Exit codes: 0 done, 1 failed, 2 usage, 3 finished with some items failed, 130 interrupted.
Ctrl-C stops watching, not the job.`,
		Example: `  cogflow ingest ~/videos
  cogflow search "a red car on a bridge"
  cogflow train sft --dataset chats.jsonl --base-model HuggingFaceTB/SmolLM3-3B
  cogflow optimize --program router.json --trainset queries.jsonl
  cogflow status`,
	}
	a.Register(Feature{Kinds: a.ingestKinds()})
	a.Register(Feature{Kinds: a.trainKinds()})
	a.Register(Feature{Kinds: a.optimizeKinds()})
	root.AddCommand(
		a.ingestCommand(), a.searchCommand(), a.evalCommand(), a.videosCommand(),
		a.statusCommand(), a.watchCommand(), a.listCommand(),
		a.trainCommand(), a.adaptersCommand(),
		a.optimizeCommand(), a.programsCommand(), a.approveCommand(),
		a.cancelCommand(), a.pauseCommand(), a.resumeCommand(), a.stopCommand(), a.tuneCommand(), a.redriveCommand(),
		a.reportCommand(), a.profilesCommand(), a.vespaCommand(), a.storeCommand(), a.healthCommand(), a.configCommand(), a.versionCommand(),
	)
	return root
}

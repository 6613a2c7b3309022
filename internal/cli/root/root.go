// Package root assembles the command line from its features. It is the only package
// that imports all of them.
package root

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/adapters"
	"github.com/cogniverse/cogflow/internal/cli/budget"
	"github.com/cogniverse/cogflow/internal/cli/config"
	"github.com/cogniverse/cogflow/internal/cli/costs"
	"github.com/cogniverse/cogflow/internal/cli/explain"
	"github.com/cogniverse/cogflow/internal/cli/frames"
	"github.com/cogniverse/cogflow/internal/cli/health"
	"github.com/cogniverse/cogflow/internal/cli/ingest"
	"github.com/cogniverse/cogflow/internal/cli/jobs"
	"github.com/cogniverse/cogflow/internal/cli/keys"
	"github.com/cogniverse/cogflow/internal/cli/ledger"
	"github.com/cogniverse/cogflow/internal/cli/logs"
	"github.com/cogniverse/cogflow/internal/cli/models"
	"github.com/cogniverse/cogflow/internal/cli/optimize"
	"github.com/cogniverse/cogflow/internal/cli/pools"
	"github.com/cogniverse/cogflow/internal/cli/prices"
	"github.com/cogniverse/cogflow/internal/cli/programs"
	"github.com/cogniverse/cogflow/internal/cli/schedule"
	"github.com/cogniverse/cogflow/internal/cli/search"
	"github.com/cogniverse/cogflow/internal/cli/store"
	"github.com/cogniverse/cogflow/internal/cli/train"
	"github.com/cogniverse/cogflow/internal/cli/vespa"
	"github.com/cogniverse/cogflow/internal/cli/videos"
)

// Run is the program: it returns the exit code.
func Run(ctx context.Context, p cli.Process) int {
	a := &cli.App{Process: p}
	return a.Run(ctx, Command(a))
}

// Command is the command tree.
func Command(a *cli.App) *cobra.Command {
	root := &cobra.Command{
		Use:     "cogflow",
		Version: thisBuild(a.Version).Version,
		Short:   "Ingest and search videos, train models and optimize prompts, durably, on your own machines",
		Long: `cogflow turns folders of videos into a searchable index, datasets into adapters of language and
embedding models, and examples into better prompts. The work runs as Temporal workflows on your own
workers, and survives the death of any of them.

Exit codes: 0 done, 1 failed, 2 usage, 3 finished with some items failed, 130 interrupted.
Ctrl-C stops watching, not the job.`,
		Example: `  cogflow ingest ~/videos
  cogflow search "a red car on a bridge"
  cogflow train sft --dataset chats.jsonl --base-model HuggingFaceTB/SmolLM3-3B
  cogflow optimize --program router.json --trainset queries.jsonl
  cogflow status`,
	}
	features := []cli.Feature{
		ingest.Feature(a), frames.Feature(a), search.Feature(a), videos.Feature(a), train.Feature(a), adapters.Feature(a), optimize.Feature(a), programs.Feature(a),
		jobs.Feature(a), schedule.Feature(a, Command), logs.Feature(a, jobs.Complete(a)), explain.Feature(a, jobs.Complete(a)), budget.Feature(a), keys.Feature(a), ledger.Feature(a), health.Feature(a), pools.Feature(a), models.Feature(a), costs.Feature(a), prices.Feature(a), config.Feature(a), store.Feature(a), vespa.Feature(a),
	}
	for _, f := range features {
		root.AddCommand(a.Register(f)...)
	}
	root.AddCommand(versionCommand(a))
	root.SetVersionTemplate("cogflow {{.Version}}\n")
	return root
}

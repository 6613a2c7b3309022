// Package train is the part of the command line that starts training runs and sweeps, shows
// their progress and results, and checks datasets. It reads only the dataset and the settings,
// and does not manage the published adapters (package adapters).
package train

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/train"
)

type app struct{ *cli.App }

// Feature returns the commands of the package, and how its kinds of jobs are shown.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{f.command()},
		Kinds:    f.kinds(),
	}
}

// auto is the method name that chooses the method by the rows.
const auto = "auto"

const methodNames = "sft, dpo, kto, embedding or auto"

func methodWords() []string {
	var words []string
	for _, m := range training.Methods() {
		words = append(words, string(m))
	}
	return words
}

func (a app) command() *cobra.Command {
	var o options
	var method string
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Fine-tune a model on a dataset",
		Long: `Train fine-tunes a base model: sft on answers, dpo on pairs of a preferred and a rejected answer,
kto on answers that are rated good or bad, embedding on triplets. Before it takes a GPU, it checks
the dataset and estimates memory, time and cost. The result is a version of an adapter, compared
with its base model on held-out rows.

The job runs on workers and continues when this command ends. If a worker dies, another continues
from the last checkpoint and ends with the same weights. Starting the same job again attaches to it;
a finished job does no work.`,
		Example: `  cogflow train sft --dataset chats.jsonl --base-model HuggingFaceTB/SmolLM3-3B --gpu a10g,a100-40gb
  cogflow train --method auto --dataset data.jsonl --base-model HuggingFaceTB/SmolLM3-3B`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if method == "" {
				return cli.Usage("a method is required: cogflow train %s", methodNames)
			}
			return a.train(cmd.Context(), method, o)
		},
	}
	cmd.Flags().StringVar(&method, "method", "", methodNames)
	o.flags(a, cmd)
	cli.OfferWords(cmd, "method", append(methodWords(), auto)...)
	cmd.AddCommand(
		a.methodCommand(string(training.SFT), "Fine-tune a language model on answers",
			"Sft trains on answers: prompt and completion, messages, text, alpaca, ShareGPT or ChatML.",
			"  cogflow train sft --dataset chats.jsonl --base-model HuggingFaceTB/SmolLM3-3B --gpu a10g,a100-40gb --dry-run"),
		a.methodCommand(string(training.DPO), "Fine-tune a language model on preferences",
			"Dpo trains on pairs of answers to one prompt: a preferred one and a rejected one.",
			"  cogflow train dpo --dataset pairs.jsonl --base-model HuggingFaceTB/SmolLM3-3B --set beta=0.2 --budget 10"),
		a.methodCommand(string(training.KTO), "Fine-tune a language model on rated answers",
			"Kto trains on single answers that are rated good or bad: approvals, annotations, thumbs up and down. Pairs become two rated answers.",
			"  cogflow train kto --dataset rated.jsonl --base-model HuggingFaceTB/SmolLM3-3B --set undesirable_weight=2"),
		a.methodCommand(string(training.Embedding), "Fine-tune a text encoder on triplets",
			"Embedding trains on triplets of an anchor, a positive and a negative, or on pairs with --set loss=mnr.",
			"  cogflow train embedding --dataset triplets.jsonl --base-model BAAI/bge-small-en-v1.5 --set distance_metric=euclidean"),
		a.methodCommand(auto, "Choose the method by the rows, then train",
			`Auto counts the rows of a local file: enough preference pairs mean dpo, else enough examples mean
sft, triplets mean embedding, and rated answers kto. Smaller datasets are rejected, with the counts.`,
			"  cogflow train auto --dataset data.jsonl --base-model HuggingFaceTB/SmolLM3-3B"),
		a.sweepCommand(), a.checkCommand(),
	)
	return cmd
}

func (a app) methodCommand(method, short, long, example string) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: method, Short: short, Example: example,
		Long: long + "\n\nSettings have Cogniverse's names and defaults: --set epochs=1 --set lora.r=16.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.train(cmd.Context(), method, o) },
	}
	o.flags(a, cmd)
	return cmd
}

// baseModels are the base models of the configuration.
func (a app) baseModels(context.Context, []string) ([]string, error) {
	c, err := a.Config()
	return slices.Sorted(maps.Keys(c.Training.Models)), err
}

// options are the flags of `train`.
type options struct {
	in       train.Input
	dataset  string
	eval     string
	config   string   // file of settings
	set      []string // name=value
	seed     int64
	id       string
	wait     cli.Waiting
	isSeeded func() bool
}

func (o *options) flags(a app, cmd *cobra.Command) {
	f := cmd.Flags()
	cli.CommonFlags(cmd, &o.in.Common)
	f.StringVar(&o.dataset, "dataset", "", "rows to train on: a local file, s3://… or https://…")
	f.StringVar(&o.eval, "eval-dataset", "", "rows to evaluate on (default: a share of the dataset is held out)")
	f.StringVar(&o.in.BaseModel, "base-model", "", "model to start from, as the workers' configuration names it")
	f.StringVar(&o.in.Continue, "continue-from", "", "published adapter to continue, NAME@VERSION (default: a fresh adapter)")
	f.StringVar(&o.in.Name, "name", "", "name of the adapter (default: method and base model)")
	f.StringVar(&o.in.Role, "role", "", "use of the adapter; one version per role is active (default: its name)")
	f.StringVar(&o.config, "config", "", "JSON file with settings of the method")
	f.StringArrayVar(&o.set, "set", nil, "one setting, name=value; values are JSON, names may have dots: lora.r=16")
	f.Int64Var(&o.seed, "seed", 42, "seed of all random numbers (default 42)")
	f.StringSliceVar(&o.in.GPU, "gpu", nil, "GPU classes in the order to try them (default cpu)")
	f.StringVar(&o.in.GPUWait, "gpu-wait", "", "how long to wait for a worker of each class except the last (default 10m)")
	f.StringVar(&o.in.Timeout, "timeout", "", "limit of the training time; then the best so far is kept (default: none)")
	f.BoolVar(&o.in.Activate, "activate", false, "make it the active adapter of its role, if it is better than its base, or than the adapter that it continues")
	f.BoolVar(&o.in.DryRun, "dry-run", false, "check and estimate, train nothing; a dry run has its own workflow id")
	f.StringVar(&o.id, "id", "", "workflow id (default: derived from tenant, name and input)")
	o.wait.Flags(cmd, true)
	o.isSeeded = func() bool { return f.Changed("seed") }
	cli.OfferWords(cmd, "gpu", video.GPUClasses()...)
	a.CompleteFlag(cmd, "base-model", a.baseModels)
}

func (a app) train(ctx context.Context, method string, o options) error {
	m, err := a.input(ctx, method, &o)
	if err != nil {
		return err
	}
	in := o.in
	if err := a.uploads(ctx, &in, o); err != nil {
		return err
	}
	job, err := submit.Train(kind(m), in)
	if err != nil {
		return err
	}
	job.ID = cmp.Or(o.id, job.ID)
	return a.Launch(ctx, job, o.wait)
}

const kindSweep = "TrainSweep"

// kind is the workflow type of a method.
func kind(m training.Method) string {
	switch m {
	case training.DPO:
		return "TrainDPO"
	case training.KTO:
		return "TrainKTO"
	case training.Embedding:
		return "TrainEmbedding"
	default:
		return "TrainSFT"
	}
}

func (a app) kinds() map[string]cli.Kind {
	run := cli.Kind{Progress: runProgress, Result: cli.Result(a.printTrain)}
	return map[string]cli.Kind{
		kind(training.SFT): run, kind(training.DPO): run, kind(training.KTO): run, kind(training.Embedding): run,
		kindSweep: {Progress: sweepProgress, Result: cli.Result(a.printSweep)},
	}
}

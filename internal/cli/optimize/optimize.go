// Package optimize is the part of the command line that starts prompt optimizations, and
// shows their progress and results. It does not manage the published versions (package
// programs). Workers call the models.
package optimize

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/submit"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
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

const kind = "OptimizePrompts"

// options are the flags of `optimize`.
type options struct {
	in      optimizeflow.Input
	program string // local files, or URIs that a worker reads
	// signature is the program file with the names and types of the fields of a program that
	// DSPy saved; converted = DSPy saved the program.
	signature string
	converted bool
	train     string
	val       string
	test      string
	metric    []string
	set       []string // name=value
	id        string
	wait      cli.Waiting
}

func (a app) command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "optimize --program FILE --trainset FILE",
		Short: "Find better instructions and demos for a program",
		Long: `Optimize searches instructions and demos for a DSPy-style program, as MIPROv2 does. The teacher
makes demos, the proposer writes instructions, and trials score the student. With --mode gepa it
searches as GEPA does: the proposer rewrites instructions from what the metric says of answers.
Every answer is stored before it is used, and is never paid for again. The result is a version of
the program. It becomes active only if it is better than the default on rows that the search
never saw.

--dry-run checks everything and quotes calls and cost before the first call. --set takes the
settings of MIPROv2, --set max_bootstrapped_demos=2, and in mode gepa those of GEPA, --set
max_metric_calls=500. Setting num_trials and num_candidates turns auto off. --metric takes a file,
or kind=field, repeated for more parts, weighted equally: --metric exact=agent --metric
numeric=confidence. By default every output must equal the column of its name.

--program also takes program.json and state.json of DSPy. Such a file has no types of fields and
often no names: name them in a program file, --signature router.yaml.`,
		Example: `  cogflow optimize --program examples/programs/agentic-router.json --trainset queries.jsonl --dry-run
  cogflow optimize --program router.json --trainset queries.jsonl --auto medium --budget 5 --approve
  cogflow optimize --program router.json --trainset q.jsonl --set num_trials=20 --set num_candidates=10`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.optimize(cmd.Context(), o) },
	}
	f := cmd.Flags()
	cli.CommonFlags(cmd, &o.in.Common)
	f.StringVar(&o.program, "program", "", "the program: a JSON or YAML file, a file that DSPy saved, s3://… or https://…")
	f.StringVar(&o.signature, "signature", "", "of a program that DSPy saved: a program file with the names and types of its fields")
	f.StringVar(&o.train, "trainset", "", "examples: JSON lines or a JSON array in a file, s3://… or https://…")
	f.StringVar(&o.val, "valset", "", "examples for the scores of the search (default: four fifths of the trainset, in mode gepa the trainset)")
	f.StringVar(&o.test, "testset", "", "examples that decide about promotion (default: four in ten of the others)")
	f.StringArrayVar(&o.metric, "metric", nil, "JSON or YAML file, or kind=field such as exact=agent; repeat for more")
	f.StringVar(&o.in.Mode, "mode", optimize.ModeImproved, "improved, compat (DSPy's own decisions) or gepa")
	f.StringVar(&o.in.Auto, "auto", "", "light (the default), medium, heavy or none")
	f.StringArrayVar(&o.set, "set", nil, "one setting of MIPROv2 or GEPA, name=value: num_trials=20")
	f.StringVar(&o.in.Name, "name", "", "name of the published program (default: the program's)")
	f.Int64Var(&o.in.Seed, "seed", 0, "seed of every random choice (default 9, in mode gepa 0, as in DSPy)")
	f.BoolVar(&o.in.Approve, "approve", false, "wait for cogflow approve before promoting a better program")
	f.BoolVar(&o.in.DryRun, "dry-run", false, "check and quote, call no model; a dry run has its own workflow id")
	f.StringVar(&o.id, "id", "", "workflow id (default: derived from tenant, name and input)")
	o.wait.Flags(cmd, true)
	cli.OfferWords(cmd, "mode", modes()...)
	cli.OfferWords(cmd, "auto", "light", "medium", "heavy", "none")
	return cmd
}

func (a app) optimize(ctx context.Context, o options) error {
	name, err := a.input(ctx, &o)
	if err != nil {
		return err
	}
	job, err := submit.Optimize(o.in, name)
	if err != nil {
		return err
	}
	job.ID = cmp.Or(o.id, job.ID)
	return a.Launch(ctx, job, o.wait)
}

func (a app) kinds() map[string]cli.Kind {
	return map[string]cli.Kind{kind: {Progress: ask, Result: cli.Result(a.printOptimize)}}
}

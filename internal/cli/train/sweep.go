package train

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/train"
)

func (a app) sweepCommand() *cobra.Command {
	var o options
	var grid []string
	var concurrency int
	cmd := &cobra.Command{
		Use:   "sweep METHOD --grid name=value,value…",
		Short: "Train with every combination of settings",
		Long: `Sweep trains with every combination of the values of all --grid flags, --concurrency runs at a time, and
names the best on held-out rows. Each run has its own workflow and its own version of the adapter.
--budget is divided equally among the runs.`,
		Example: `  cogflow train sweep sft --dataset chats.jsonl --base-model HuggingFaceTB/SmolLM3-3B \
    --grid learning_rate=1e-4,2e-4 --grid lora.r=8,16`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sweep(cmd.Context(), args[0], o, grid, concurrency)
		},
	}
	o.flags(a, cmd)
	cmd.Flags().StringArrayVar(&grid, "grid", nil, "setting and its values, name=value,value…; repeat for more settings")
	cmd.Flags().IntVar(&concurrency, "concurrency", 0, "maximum number of concurrent runs (default 2)")
	return cmd
}

func (a app) sweep(ctx context.Context, method string, o options, grid []string, concurrency int) error {
	if len(grid) == 0 {
		return cli.Usage("--grid must be a setting and its values: --grid learning_rate=1e-4,2e-4")
	}
	if o.in.DryRun {
		return cli.Usage("sweep does not support --dry-run: use cogflow train %s --dry-run", method)
	}
	m, err := a.input(ctx, method, &o)
	if err != nil {
		return err
	}
	in := train.SweepInput{Common: o.in.Common, Method: m, Concurrency: concurrency}
	if in.Grid, err = readGrid(m, grid); err != nil {
		return err
	}
	one := o.in
	one.Common = workflows.Common{} // the sweep sets them for each run
	if err := a.uploads(ctx, &o.in, o); err != nil {
		return err
	}
	one.Dataset, one.EvalDataset = o.in.Dataset, o.in.EvalDataset
	if in.Train, err = json.Marshal(one); err != nil {
		return err
	}
	if o.id == "" {
		if o.id, err = submit.ID("sweep", in.Tenant, o.in.Name, in); err != nil {
			return err
		}
	}
	return a.Launch(ctx, cli.Job{
		Kind: kindSweep, ID: o.id, Common: in.Common, Input: in, Name: o.in.Name,
		Summary: fmt.Sprintf("sweep %s %s over %s", m, o.in.Name, strings.Join(names(in.Grid), ", ")),
		Details: fmt.Sprintf("Tenant `%s`, adapter `%s`.", in.Tenant, o.in.Name),
	}, o.wait)
}

func names[V any](of map[string]V) []string {
	var out []string
	for name := range of {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// readGrid parses name=value,value…: a name without a dot is a setting of the method.
func readGrid(m training.Method, grid []string) (map[string][]json.RawMessage, error) {
	out := map[string][]json.RawMessage{}
	for _, text := range grid {
		name, values, ok := strings.Cut(text, "=")
		if !ok || name == "" || values == "" {
			return nil, cli.Usage("--grid must be name=value,value…, not %q", text)
		}
		if !strings.Contains(name, ".") && !slices.Contains([]string{"seed", "base_model"}, name) {
			name = string(m) + "_config." + name
		}
		if out[name] != nil {
			return nil, cli.Usage("--grid has %s twice", name)
		}
		for _, value := range gridValues(values) {
			raw, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(out[name], func(v json.RawMessage) bool { return string(v) == string(raw) }) {
				return nil, cli.Usage("--grid has the value %[2]s of %[1]s twice", name, raw)
			}
			out[name] = append(out[name], raw)
		}
	}
	return out, nil
}

// gridValues splits at commas, unless the values are a JSON array or one quoted string.
func gridValues(text string) []any {
	switch value := cli.Value(text).(type) {
	case []any:
		return value
	case string:
		if value != text {
			return []any{value}
		}
	}
	var out []any
	for part := range strings.SplitSeq(text, ",") {
		out = append(out, cli.Value(part))
	}
	return out
}

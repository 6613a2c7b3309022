package train

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/train"
)

func (a app) printTrain(id string, r train.Result) {
	if r.Plan != nil {
		a.printPlan(r)
		return
	}
	if r.Version == 0 {
		a.Say("%s: %s", r.Status, r.Warning)
		a.Say("Training time %s, %s", format.Seconds(r.Seconds), format.Dollars(r.CostUSD))
		return
	}
	a.Say("%s: %s, %s", cli.Ref(r.Adapter, r.Version), status(r.Status), betterText(r.Better, r.Comparison))
	if r.Warning != "" {
		a.Say("Warning: %s", r.Warning)
	}
	text := fmt.Sprintf("%s (%d redone), %s tokens in %s, %s", format.Count(r.Steps, "step", "steps"), r.Redone, humanize.Comma(r.Tokens), format.Seconds(r.Seconds), format.Dollars(r.CostUSD))
	if r.GPU != "" {
		text += " on " + r.GPU
	}
	if r.Device != "" && r.Device != r.GPU {
		text += " (" + r.Device + ")"
	}
	a.Say("%s", text)
	if r.TooLong > 0 {
		a.Say("%s left out: max_seq_length leaves nothing of the answer.", format.Count(r.TooLong, "row was", "rows were"))
	}
	if r.Continues != "" {
		a.Say("It continues %s, which is the base of the metrics.", r.Continues)
	}
	a.PrintMetrics(r.BaseMetrics, r.Metrics)
	if c := r.Comparison; c != nil && c.Verdict != "" {
		a.Say("%s", c.Verdict)
	}
	a.printIgnored(r.Ignored)
	switch {
	case r.Active:
		a.Say("It is the active adapter of the role %s.", r.Role)
	case r.Better:
		a.Say("Activate it: cogflow adapters activate %s", cli.Ref(r.Adapter, r.Version))
	default:
		a.Say("It was published, but not shown to be better: cogflow adapters activate %s --force activates it anyway.", cli.Ref(r.Adapter, r.Version))
	}
	if r.Modules != "" {
		a.Say("LoRA: %s", safetext.Line(r.Modules, safetext.MaxReason))
	}
	if r.TensorBoard != "" {
		a.Say("TensorBoard: %s in the object store", r.TensorBoard)
	}
	if r.Report != "" {
		a.Say("Report: cogflow report %s", id)
	}
}

func status(status string) string {
	switch status {
	case "unchanged":
		return "unchanged, trained before"
	case "stopped":
		return "stopped, the best so far is kept"
	default:
		return status
	}
}

func betterText(better bool, c *training.Comparison) string {
	switch {
	case c == nil:
		return "not compared with its base (no held-out rows)"
	case better:
		return "better than " + c.Reference()
	default:
		return "not better than " + c.Reference()
	}
}

func (a app) printIgnored(names []string) {
	if len(names) > 0 {
		a.Say("Ignored, because they have no effect: %s", strings.Join(names, ", "))
	}
}

func (a app) printSweep(id string, r train.SweepResult) {
	a.Say("%s, %d failed, %s", format.Count(len(r.Runs), "run", "runs"), r.Failed, format.Dollars(r.CostUSD))
	var varied, metrics []string
	for _, run := range r.Runs {
		varied = append(varied, names(run.Overrides)...)
		if run.Result != nil {
			metrics = append(metrics, names(run.Result.Metrics)...)
		}
	}
	varied, metrics = distinct(varied), distinct(metrics)
	columns := []cli.Column{{Name: ""}}
	for _, name := range varied {
		columns = append(columns, cli.Column{Name: name[strings.LastIndexByte(name, '.')+1:]})
	}
	for _, name := range metrics {
		columns = append(columns, cli.Column{Name: name, Right: true})
	}
	columns = append(columns, cli.Column{Name: "vs base"}, cli.Column{Name: "cost", Right: true}, cli.Column{Name: "adapter", Flex: true})
	rows := make([][]string, len(r.Runs))
	for i, run := range r.Runs {
		rows[i] = sweepRow(run, i == r.Best, varied, metrics)
	}
	a.Table(columns, rows)
	if r.Best >= 0 && r.Best < len(r.Runs) && r.Runs[r.Best].Result != nil {
		best := r.Runs[r.Best].Result
		a.Say("* the best run: cogflow adapters activate %s", cli.Ref(best.Adapter, best.Version))
	}
	if r.Report != "" {
		a.Say("Report: cogflow report %s", id)
	}
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func sweepRow(run train.SweepRun, best bool, varied, metrics []string) []string {
	row := []string{""}
	if best {
		row[0] = "*"
	}
	for _, name := range varied {
		row = append(row, strings.Trim(cmp.Or(string(run.Overrides[name]), "-"), `"`))
	}
	for _, name := range metrics {
		cell := "-"
		if run.Result != nil {
			if v, ok := run.Result.Metrics[name]; ok {
				cell = format.Metric(v)
			}
		}
		row = append(row, cell)
	}
	switch {
	case run.Failure != nil:
		return append(row, "failed", "-", fmt.Sprintf("%s error at %s: %s", run.Failure.Class, run.Failure.Stage, run.Failure.Reason))
	case run.Result == nil:
		return append(row, "-", "-", "not finished: "+run.WorkflowID)
	case run.Result.Version == 0:
		return append(row, "-", format.Dollars(run.Result.CostUSD), run.Result.Status+": "+run.Result.Warning)
	case run.Result.Better:
		row = append(row, "better")
	default:
		row = append(row, "not better")
	}
	return append(row, format.Dollars(run.Result.CostUSD), cli.Ref(run.Result.Adapter, run.Result.Version))
}

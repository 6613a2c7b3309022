package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

func (a *App) printTrain(id string, r workflows.TrainResult) {
	if r.Plan != nil {
		a.printPlan(r)
		return
	}
	if r.Version == 0 {
		a.say("%s: %s", r.Status, r.Warning)
		a.say("It trained for %s, %s", secondsText(r.Seconds), dollars(r.CostUSD))
		return
	}
	a.say("%s: %s, %s", adapterRef(r.Adapter, r.Version), trainStatus(r.Status), betterText(r.Better, r.Comparison))
	if r.Warning != "" {
		a.say("Warning: %s", r.Warning)
	}
	text := fmt.Sprintf("%s (%d redone), %s tokens in %s, %s", count(r.Steps, "step", "steps"), r.Redone, humanize.Comma(r.Tokens), secondsText(r.Seconds), dollars(r.CostUSD))
	if r.GPU != "" {
		text += " on " + r.GPU
	}
	if r.Device != "" && r.Device != r.GPU {
		text += " (" + r.Device + ")"
	}
	a.say("%s", text)
	a.printMetrics(r.BaseMetrics, r.Metrics)
	if c := r.Comparison; c != nil && c.Verdict != "" {
		a.say("%s", c.Verdict)
	}
	a.printIgnored(r.Ignored)
	switch {
	case r.Active:
		a.say("It is the active adapter of the role %s.", r.Role)
	case r.Better:
		a.say("Activate it: cogflow adapters activate %s", adapterRef(r.Adapter, r.Version))
	default:
		a.say("It was published, but not shown to be better: cogflow adapters activate %s --force takes it all the same.", adapterRef(r.Adapter, r.Version))
	}
	if r.Report != "" {
		a.say("Report: cogflow report %s", id)
	}
}

func trainStatus(status string) string {
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
		return "not compared with its base (nothing was held out)"
	case better:
		return "better than its base"
	default:
		return "not better than its base"
	}
}

func (a *App) printIgnored(names []string) {
	if len(names) > 0 {
		a.say("Without meaning here, and ignored: %s", strings.Join(names, ", "))
	}
}

func (a *App) printSweep(id string, r workflows.SweepResult) {
	a.say("%s, %d failed, %s", count(len(r.Runs), "run", "runs"), r.Failed, dollars(r.CostUSD))
	var varied, metrics []string
	for _, run := range r.Runs {
		varied = append(varied, names(run.Overrides)...)
		if run.Result != nil {
			metrics = append(metrics, names(run.Result.Metrics)...)
		}
	}
	varied, metrics = distinct(varied), distinct(metrics)
	columns := []column{{name: ""}}
	for _, name := range varied {
		columns = append(columns, column{name: name[strings.LastIndexByte(name, '.')+1:]})
	}
	for _, name := range metrics {
		columns = append(columns, column{name: name, right: true})
	}
	columns = append(columns, column{name: "than its base"}, column{name: "cost", right: true}, column{name: "adapter", flex: true})
	rows := make([][]string, len(r.Runs))
	for i, run := range r.Runs {
		rows[i] = sweepRow(run, i == r.Best, varied, metrics)
	}
	a.table(columns, rows)
	if r.Best >= 0 && r.Best < len(r.Runs) && r.Runs[r.Best].Result != nil {
		best := r.Runs[r.Best].Result
		a.say("* the best: cogflow adapters activate %s", adapterRef(best.Adapter, best.Version))
	}
	if r.Report != "" {
		a.say("Report: cogflow report %s", id)
	}
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func sweepRow(run workflows.SweepRun, best bool, varied, metrics []string) []string {
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
				cell = metricText(v)
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
		return append(row, "-", dollars(run.Result.CostUSD), run.Result.Status+": "+run.Result.Warning)
	case run.Result.Better:
		row = append(row, "better")
	default:
		row = append(row, "not better")
	}
	return append(row, dollars(run.Result.CostUSD), adapterRef(run.Result.Adapter, run.Result.Version))
}

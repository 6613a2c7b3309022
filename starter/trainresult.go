package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

func (a *app) printTrain(id string, r workflows.TrainResult) {
	if r.Plan != nil {
		a.printPlan(r)
		return
	}
	a.say("%s: %s, %s", adapterRef(r.Adapter, r.Version), trainStatus(r.Status), betterText(r.Better, r.Comparison))
	text := fmt.Sprintf("%s (%d redone), %s tokens in %s, %s", count(r.Steps, "step", "steps"), r.Redone, humanize.Comma(r.Tokens), secondsText(r.Seconds), dollars(r.CostUSD))
	if r.GPU != "" {
		text += " on " + r.GPU
	}
	if r.Device != "" && r.Device != r.GPU {
		text += " (" + r.Device + ")"
	}
	a.say("%s", text)
	a.printMetrics(r)
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

func adapterRef(name string, version int) string { return name + "@" + strconv.Itoa(version) }

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

// metricText is a metric with the digits that matter.
func metricText(v float64) string {
	if v != 0 && math.Abs(v) < 0.001 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

func (a *app) printMetrics(r workflows.TrainResult) {
	all := maps.Clone(r.Metrics)
	if all == nil {
		all = map[string]float64{}
	}
	maps.Copy(all, r.BaseMetrics)
	if len(all) == 0 {
		return
	}
	known := func(set map[string]float64, name string) string {
		if v, ok := set[name]; ok {
			return metricText(v)
		}
		return "-"
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		change := "-"
		best, trained := r.Metrics[name]
		base, before := r.BaseMetrics[name]
		if trained && before {
			change = metricText(best - base)
			if best > base {
				change = "+" + change
			}
		}
		rows = append(rows, []string{name, known(r.BaseMetrics, name), known(r.Metrics, name), change})
	}
	a.say("")
	a.table([]column{{name: "held out"}, {name: "base", right: true}, {name: "trained", right: true}, {name: "change", right: true}}, rows)
	a.say("")
}

func (a *app) printIgnored(names []string) {
	if len(names) > 0 {
		a.say("Without meaning here, and ignored: %s", strings.Join(names, ", "))
	}
}

// printPlan prints what a dry run found: what each class needs, and the data.
func (a *app) printPlan(r workflows.TrainResult) {
	e := r.Plan.Estimate
	a.say("Dry run of %s on %s, job %s", r.Method, r.Plan.Spec.Model, r.Job)
	weights := largeText(e.Parameters) + " weights, all of them trained"
	if e.LoRAParameters > 0 {
		weights = largeText(e.Parameters) + " weights, of LoRA " + largeText(e.LoRAParameters) + " more, which are trained"
	}
	a.say("%s; %s tokens in %s, %s", weights, humanize.Comma(e.Tokens), count(e.Steps, "step", "steps"), e.Numerics)
	a.say("")
	rows := make([][]string, len(e.Classes))
	for i, c := range e.Classes {
		batch := "-"
		if c.MicroBatch > 0 {
			batch = fmt.Sprintf("%d × %d", c.MicroBatch, c.Accumulation)
		}
		rows[i] = []string{
			c.Class, classFits(c), bytesText(c.NeedBytes), bytesText(c.HasBytes), batch,
			speedText(c.TokensPerSecond), secondsText(c.Seconds), costText(c.CostUSD), cmp.Or(c.Source, "-"), c.Reason,
		}
	}
	a.table([]column{
		{name: "gpu"},
		{name: "fits"},
		{name: "needs", right: true},
		{name: "has", right: true},
		{name: "batch", right: true},
		{name: "tokens/s", right: true},
		{name: "time", right: true},
		{name: "cost", right: true},
		{name: "speed is"},
		{name: "why", flex: true},
	}, rows)
	if r.Check != nil {
		a.printData(*r.Check)
	}
	a.printIgnored(r.Ignored)
	a.say("Nothing was trained.")
}

func largeText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f billion", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2f million", float64(n)/1e6)
	default:
		return humanize.Comma(n)
	}
}

func classFits(c training.ClassEstimate) string {
	switch {
	case !c.Fits:
		return "no"
	case !c.WithinBudget:
		return "over budget"
	default:
		return "yes"
	}
}

func bytesText(n int64) string {
	if n <= 0 {
		return "-"
	}
	return humanize.IBytes(uint64(n))
}

func speedText(tokens float64) string {
	if tokens <= 0 {
		return "-"
	}
	return humanize.Comma(int64(math.Round(tokens)))
}

func secondsText(seconds float64) string {
	if seconds <= 0 || seconds > math.MaxInt64/1e10 {
		return "-"
	}
	return span(time.Duration(seconds * float64(time.Second)))
}

func costText(usd *float64) string {
	if usd == nil {
		return "unknown"
	}
	return dollars(*usd)
}

// printData prints what the check of a dataset found.
func (a *app) printData(c training.Check) {
	s := c.Train
	held := strconv.Itoa(c.HeldOut) + " split off"
	if c.Eval != nil {
		held = fmt.Sprintf("%d of %s", c.Eval.Kept, c.Eval.Name)
	}
	rows := [][]string{
		{"file", s.Name},
		{"form", string(s.Format) + ", " + s.Container},
		{"rows", fmt.Sprintf("%d, %d kept, %d dropped", s.Rows, s.Kept, s.Dropped)},
		{"held out", held},
		{"duplicates", strconv.Itoa(s.Duplicates)},
		{"tokens a row, estimated", fmt.Sprintf("half at most %d, 90 %% at most %d, 99 %% at most %d, longest %d", s.Tokens.P50, s.Tokens.P90, s.Tokens.P99, s.Tokens.Max)},
		{"cut, estimated", count(s.Truncated, "row", "rows")},
	}
	a.say("")
	writeTable(a.out, 0, []column{{name: "dataset"}, {name: ""}}, rows)
	a.say("")
	for _, p := range c.Problems[:min(len(c.Problems), maxShown)] {
		a.say("%s: %s", p.Severity, p)
	}
	if more := len(c.Problems) - maxShown; more > 0 {
		a.say("and %d more", more)
	}
	for _, text := range c.Suggestions {
		a.say("Suggestion: %s", text)
	}
}

func (a *app) printSweep(id string, r workflows.SweepResult) {
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
	case run.Result.Better:
		row = append(row, "better")
	default:
		row = append(row, "not better")
	}
	return append(row, dollars(run.Result.CostUSD), adapterRef(run.Result.Adapter, run.Result.Version))
}

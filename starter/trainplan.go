package main

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

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

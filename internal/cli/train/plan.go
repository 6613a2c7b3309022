package train

import (
	"cmp"
	"fmt"
	"math"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/workflows/train"
)

// printPlan prints the result of a dry run: the requirements of each GPU class, and the data.
func (a app) printPlan(r train.Result) {
	e := r.Plan.Estimate
	a.SayPlaced(r.Plan.Placed)
	a.Say("Dry run of %s on %s, job %s", r.Method, r.Plan.Spec.Model, r.Job)
	weights := largeText(e.Parameters) + " weights, all trained"
	if e.LoRAParameters > 0 {
		weights = largeText(e.Parameters) + " weights, and " + largeText(e.LoRAParameters) + " trained LoRA weights"
		if modules := r.Plan.Spec.LoRA.Modules(); modules != "" {
			weights += " in " + safetext.Line(modules, safetext.MaxReason)
		}
	}
	numbers := string(e.Numerics)
	if q := r.Plan.Spec.Config.Quantization(); q != "" {
		numbers += ", base model in " + q
	}
	if start := r.Plan.Spec.Start; start != nil {
		a.Say("Continues the adapter %s, with its rank, alpha and target modules", start)
	}
	a.Say("%s; %s tokens in %s, %s", weights, humanize.Comma(e.Tokens), format.Count(e.Steps, "step", "steps"), numbers)
	a.Say("")
	rows := make([][]string, len(e.Classes))
	for i, c := range e.Classes {
		batch := "-"
		if c.MicroBatch > 0 {
			batch = fmt.Sprintf("%d × %d", c.MicroBatch, c.Accumulation)
		}
		rows[i] = []string{
			c.Class, classFits(c), format.Bytes(c.NeedBytes), format.Bytes(c.HasBytes), batch,
			speedText(c.TokensPerSecond), format.Seconds(c.Seconds), costText(c.CostUSD), cmp.Or(c.Source, "-"), c.Reason,
		}
	}
	a.Table([]cli.Column{
		{Name: "gpu"},
		{Name: "fits"},
		{Name: "needs", Right: true},
		{Name: "has", Right: true},
		{Name: "batch", Right: true},
		{Name: "tokens/s", Right: true},
		{Name: "time", Right: true},
		{Name: "cost", Right: true},
		{Name: "source"},
		{Name: "why", Flex: true},
	}, rows)
	a.Say("")
	if r.Check != nil {
		a.printCheck(*r.Check, r.Plan.Spec.Config.MaxSeqLength)
	}
	a.printIgnored(r.Ignored)
	if r.Unchanged {
		a.Say("The job was completed before: a run would train nothing and cost nothing.")
	}
	a.Say("Nothing was trained.")
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

func classFits(c estimate.ClassEstimate) string {
	switch {
	case !c.Fits:
		return "no"
	case !c.WithinBudget:
		return "over budget"
	default:
		return "yes"
	}
}

func speedText(tokens float64) string {
	if tokens <= 0 {
		return "-"
	}
	return humanize.Comma(int64(math.Round(tokens)))
}

func costText(usd *float64) string {
	if usd == nil {
		return "unknown"
	}
	return format.Dollars(*usd)
}

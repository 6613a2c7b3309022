package train

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/summary"
)

// metricRow is one metric before and after training.
type metricRow struct {
	Name, Base, Best, Change, Tone string
}

func metricRows(method training.Method, o training.Outcome) []metricRow {
	var rows []metricRow
	for _, name := range metricNames(o.Metrics, o.BaseMetrics) {
		best, trained := o.Metrics[name]
		base, before := o.BaseMetrics[name]
		row := metricRow{Name: metricTitle(method, name), Base: report.Absent, Best: report.Absent, Change: report.Absent}
		if before {
			row.Base = figure(base)
		}
		if trained {
			row.Best = figure(best)
		}
		if before && trained && report.Finite(best-base) {
			row.Base, row.Best, row.Change = sameDigits(base, best)
			if best != base {
				row.Tone = "bad"
				if (best < base) == training.LowerIsBetter(name) {
					row.Tone = "good"
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// metricsNote explains why the table and the verdict differ in the same metric: the table
// weights every token equally, the verdict every row.
func metricsNote(method training.Method, o training.Outcome) string {
	c := o.Comparison
	if c == nil || c.N == 0 {
		return ""
	}
	base, before := o.BaseMetrics[c.Metric]
	best, after := o.Metrics[c.Metric]
	if !before || !after {
		return ""
	}
	baseText, bestText, _ := sameDigits(base, best)
	b, a, _ := sameDigits(c.Base, c.Best)
	if b == baseText && a == bestText {
		return ""
	}
	each := "row"
	if method == training.SFT && c.Metric == training.MetricLoss {
		each = "token"
	}
	return fmt.Sprintf("This %s is the mean over every %s of the held-out data. The verdict compares the mean over the %s that both models could score: %s and %s.",
		lower(metricTitle(method, c.Metric)), each, report.Plural(c.N, "row"), b, a)
}

// interval is the confidence interval of the difference, drawn around zero.
type interval struct {
	X, Width, Mean, Zero string
	Label, Tone          string
	Ticks                []report.Tick
}

func newInterval(c training.Comparison) *interval {
	if !report.Finite(c.CILow) || !report.Finite(c.CIHigh) || !report.Finite(c.Difference) || c.CILow > c.CIHigh {
		return nil
	}
	low, high := min(0, c.CILow, c.Difference), max(0, c.CIHigh, c.Difference)
	room := max((high-low)*0.08, 1e-12)
	low, high = low-room, high+room
	at := func(v float64) float64 { return min(1, max(0, (v-low)/(high-low))) }
	i := &interval{
		X: report.Percent(at(c.CILow)), Width: report.Percent(at(c.CIHigh) - at(c.CILow)), Mean: report.Percent(at(c.Difference)), Zero: report.Percent(at(0)),
		Tone: "warn", Ticks: report.LinearTicks(low, high),
	}
	if c.Better {
		i.Tone = "good"
	}
	i.Label = intervalText(c)
	return i
}

// intervalText is the difference with its interval, with the decimal places of the means.
func intervalText(c training.Comparison) string {
	_, _, change := sameDigits(c.Base, c.Best)
	low, high := signed(c.CILow), signed(c.CIHigh)
	if most := max(math.Abs(c.Base), math.Abs(c.Best)); report.Finite(most) && most >= 1e-4 && most < 1e9 {
		digits := commonDigits(c.Base, c.Best)
		low, high = signedFixed(c.CILow, digits), signedFixed(c.CIHigh, digits)
	}
	return fmt.Sprintf("Difference %s, 95 %% interval %s to %s", change, low, high)
}

// pointTable lists evaluations and checkpoints by step.
type pointTable struct {
	Metrics []string
	Rows    []pointRow
	Omitted int
}

type pointRow struct {
	Step  string
	Cells []string
	Kept  bool // a checkpoint was written
	Best  bool
}

const maxPoints = 60

func newPoints(method training.Method, s history, o training.Outcome) pointTable {
	evals := map[int]map[string]float64{}
	steps := map[int]bool{} // true = a checkpoint
	var sets []map[string]float64
	for _, e := range s.evals {
		evals[e.Step] = e.Metrics
		steps[e.Step] = false
		sets = append(sets, e.Metrics)
	}
	for _, step := range s.checkpoints {
		steps[step] = true
	}
	var t pointTable
	names := metricNames(sets...)
	for _, name := range names {
		t.Metrics = append(t.Metrics, metricTitle(method, name))
	}
	order := slices.Sorted(maps.Keys(steps))
	if len(order) > maxPoints { // evaluations take precedence over checkpoints
		kept := slices.DeleteFunc(slices.Clone(order), func(step int) bool { return evals[step] == nil })
		if len(kept) > maxPoints {
			every := len(kept)/maxPoints + 1
			last := kept[len(kept)-1]
			i := -1
			kept = slices.DeleteFunc(kept, func(step int) bool { i++; return i%every != 0 && step != o.BestStep && step != last })
		}
		t.Omitted = len(order) - len(kept)
		order = kept
	}
	for _, step := range order {
		row := pointRow{Step: report.Count(step), Kept: steps[step], Best: step == o.BestStep && step > 0}
		for _, name := range names {
			cell := report.Absent
			if v, ok := evals[step][name]; ok {
				cell = figure(v)
			}
			row.Cells = append(row.Cells, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// planRow is an estimate beside the measured value.
type planRow struct{ Name, Planned, Measured, Share string }

func planRows(r summary.Run) (rows []planRow, note string) {
	o := r.Adapter.Outcome
	i := slices.IndexFunc(r.Plan.Classes, func(c estimate.ClassEstimate) bool { return c.Class == o.GPU })
	if i < 0 {
		return nil, ""
	}
	c := r.Plan.Classes[i]
	row := func(name, planned, measured, share string) {
		rows = append(rows, planRow{name, planned, measured, share})
	}
	row("Memory", size(c.NeedBytes), size(o.MemoryBytes), times(float64(o.MemoryBytes), float64(c.NeedBytes)))
	row("Time", seconds(c.Seconds), seconds(o.Seconds), times(o.Seconds, c.Seconds))
	planned, share := report.Absent, report.Absent
	if c.CostUSD != nil {
		planned, share = report.USD(*c.CostUSD), times(o.CostUSD, *c.CostUSD)
	}
	row("Cost", planned, report.USD(o.CostUSD), share)
	row("Tokens", large(r.Plan.Tokens), large(o.Tokens), times(float64(o.Tokens), float64(r.Plan.Tokens)))
	row("Steps", report.Count(r.Plan.Steps), report.Count(o.Steps), times(float64(o.Steps), float64(r.Plan.Steps)))
	if o.Seconds > 0 {
		row("Tokens/s, average", report.Rate(c.TokensPerSecond), report.Rate(float64(o.Tokens)/o.Seconds), times(float64(o.Tokens)/o.Seconds, c.TokensPerSecond))
	}
	switch c.Source {
	case estimate.Measured:
		note = "The speed was measured in an earlier run of the same kind."
	case estimate.Formula:
		note = "The speed was computed from the model's size and the GPU's data sheet. The next run of this kind uses the measured speed."
	}
	return rows, note
}

// settings lists every key of the configuration, with its name in the input.
func settings(s training.Spec) []report.Pair {
	var out []report.Pair
	add := func(prefix string, v any) {
		text, err := json.Marshal(v)
		if err != nil {
			return // a number is not finite; no run can start with it
		}
		var keys map[string]json.RawMessage
		if json.Unmarshal(text, &keys) != nil {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			value := strings.Trim(string(keys[key]), `"`)
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				value = settingNumber(n)
			}
			out = append(out, report.Pair{Name: prefix + key, Value: report.Clean(value, report.MaxName)})
		}
	}
	add("", s.Config)
	if s.LoRA != nil {
		add("lora.", s.LoRA)
	}
	return out
}

func settingNumber(v float64) string {
	if a := math.Abs(v); v != 0 && (a < 1e-3 || a >= 1e9) {
		return report.Power(v, 4)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func lineage(r summary.Run) []report.Pair {
	a, s := r.Adapter, r.Adapter.Spec
	lora := "none: all weights were trained"
	if s.LoRA != nil {
		lora = fmt.Sprintf("r %d, alpha %d", s.LoRA.R, s.LoRA.Alpha)
		if n := r.Plan.LoRAParameters; n > 0 {
			lora += ", " + large(n) + " weights"
		}
	}
	kind := a.Kind
	if kind == training.KindAdapter {
		kind = "adapter (LoRA weights for the base model)"
	}
	return report.Known([]report.Pair{
		{Name: "Base repository", Value: report.Clean(cmp.Or(a.Base.Repo, s.Model), report.MaxName)},
		{Name: "Base revision", Value: report.Clean(s.Revision, report.MaxName)},
		{Name: "Base parameters", Value: cmp.Or(map[bool]string{true: large(r.Plan.Parameters)}[r.Plan.Parameters > 0], report.Absent)},
		{Name: "Dataset, SHA-256", Value: report.Clean(s.Dataset, report.MaxName)},
		{Name: "Evaluation dataset, SHA-256", Value: report.Clean(s.Evaluation, report.MaxName)},
		{Name: "Continues", Value: report.Clean(s.Start.String(), report.MaxName)},
		{Name: "Seed", Value: strconv.FormatInt(s.Seed, 10)},
		{Name: "Numerics", Value: report.Clean(string(s.Numerics), report.MaxLabel)},
		{Name: "LoRA", Value: lora},
		{Name: "Base model in training", Value: s.Config.Quantization()},
		{Name: "Published as", Value: report.Clean(kind, report.MaxName)},
		{Name: "TensorBoard", Value: report.Clean(a.TensorBoard(r.Tenant), report.MaxName)},
	})
}

func versions(v map[string]string) []report.Pair {
	var out []report.Pair
	for _, name := range slices.Sorted(maps.Keys(v)) {
		out = append(out, report.Pair{Name: report.Clean(name, report.MaxLabel), Value: report.Clean(v[name], report.MaxName)})
	}
	return report.Known(out[:min(len(out), maxPoints)])
}

package train

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/summary"
)

// page is the data of the template. Every string in it is already cleaned.
type page struct {
	report.Head
	Verdict  string
	Detail   string
	Notices  []string
	Tiles    []report.Tile
	Curves   []*report.Curve
	Metrics  []metricRow
	Note     string // explains the metrics
	Interval *interval
	Points   pointTable
	Data     *dataView
	Plan     []planRow
	PlanNote string
	Answered []report.Chat // held-out rows with the answers of both models
	Samples  []report.Chat // held-out rows that changed most
	Measure  string        // metric of the samples
	Commands []report.Command
	Lineage  []report.Pair
	Settings []report.Pair
	Versions []report.Pair
	Foot     []report.Pair
	Again    string
}

func newPage(r summary.Run) page {
	a, o := r.Adapter, r.Adapter.Outcome
	s := read(r.Events)
	p := page{
		Head:    report.NewHead("training report", title(a), badges(r), about(r), report.CurveStyle),
		Notices: notices(r, s), Tiles: tiles(r, s), Curves: curves(s, a.Spec.Method, o),
		Metrics: metricRows(a.Spec.Method, o), Note: metricsNote(a.Spec.Method, o), Points: newPoints(a.Spec.Method, s, o), Data: newDataView(r),
		Answered: chats(r, true), Samples: chats(r, false), Commands: commands(r), Lineage: lineage(r), Settings: settings(a.Spec),
		Versions: versions(o.Versions), Foot: foot(r), Again: report.Again(r.Workflow),
	}
	p.Plan, p.PlanNote = planRows(r)
	p.Verdict, p.Detail = plainWords(a.Spec.Method, o)
	if c := o.Comparison; c != nil {
		p.Interval = newInterval(*c)
		p.Measure = lower(metricTitle(a.Spec.Method, c.Metric))
	}
	return p
}

func title(a training.Adapter) string {
	if name := report.Clean(a.Name, report.MaxName); name != "" {
		return name
	}
	if name := report.Clean(a.Spec.Model, report.MaxName); name != "" {
		return name
	}
	return "Training run"
}

// badges are the outcome of the run and the verdict on its adapter.
func badges(r summary.Run) []report.Badge {
	var out []report.Badge
	o := r.Adapter.Outcome
	switch {
	case r.Status == "unchanged":
		out = append(out, report.Badge{Tone: "calm", Text: "Unchanged"})
	case o.Ended == training.EndedOutOfMemory:
		out = append(out, report.Badge{Tone: "bad", Text: "Out of memory"})
	case o.Ended == training.EndedBudget:
		out = append(out, report.Badge{Tone: "warn", Text: "Stopped by the budget"})
	case r.Status == "stopped" || o.Ended == training.EndedStopped:
		out = append(out, report.Badge{Tone: "warn", Text: "Stopped, the best so far is kept"})
	}
	switch {
	case o.Comparison == nil:
		out = append(out, report.Badge{Tone: "calm", Text: "Not compared with " + before(o)})
	case o.Comparison.Better:
		out = append(out, report.Badge{Tone: "good", Text: "Better than " + before(o)})
	default:
		out = append(out, report.Badge{Tone: "warn", Text: "Not better than " + before(o)})
	}
	return out
}

// before is what the result was compared with.
func before(o training.Outcome) string {
	if c := o.Comparison; c != nil && c.With != "" {
		return report.Clean(c.With, report.MaxName)
	}
	return "its base"
}

// ofBefore is the metric of that.
func ofBefore(o training.Outcome) string {
	if c := o.Comparison; c != nil && c.With != "" {
		return "that of " + report.Clean(c.With, report.MaxName) + ", which it continues"
	}
	return "the base model's"
}

// plainWords is the result of the paired test in one or two sentences, and its numbers.
func plainWords(method training.Method, o training.Outcome) (verdict, detail string) {
	c := o.Comparison
	if c == nil {
		return "No rows were held out, so the adapter was not compared with its base. Set an evaluation dataset, or hold out a share of the rows.", ""
	}
	if c.N == 0 {
		return "No verdict: " + cmp.Or(report.Clean(c.Verdict, report.MaxReason), "no held-out row has a finite value of both models") + ".", ""
	}
	metric := lower(metricTitle(method, c.Metric))
	how := "lower"
	if c.Difference > 0 {
		how = "higher"
	}
	wanted := (c.Difference < 0) == c.LowerIsBetter
	base, best, change := sameDigits(c.Base, c.Best)
	verdict = fmt.Sprintf("On %s the mean %s is %s %s than %s (%s instead of %s).", report.Plural(c.N, "held-out row"), metric,
		strings.TrimLeft(change, "+−"), how, ofBefore(o), best, base)
	switch {
	case c.Difference == 0:
		verdict = fmt.Sprintf("On %s the mean %s is the same as %s, %s.", report.Plural(c.N, "held-out row"), metric, ofBefore(o), base)
	case c.Better:
		verdict += " The difference is statistically significant."
		if c.Match != nil {
			verdict += " It depends on the question: with questions of other rows the gain is smaller."
		}
	case wanted && c.PValue < 0.05 && c.Match != nil:
		verdict += matchWords(*c.Match)
	case wanted && (c.PValue >= 0.05 || c.Match == nil && c.Missing == 0): // the level of rated answers is stricter
		verdict += " The difference is not statistically significant: it can be chance. More held-out rows or more training can make it clearer."
	case !wanted && c.PValue < 0.05:
		verdict += " The model got significantly worse: check the learning rate and the data."
	default:
		verdict += " It did not get better."
	}
	detail = intervalText(*c) + ", " + report.PValue(c.PValue)
	if test := report.Clean(c.Test, report.MaxName); test != "" {
		detail += ", " + test
	}
	if m := c.Match; m != nil {
		detail += fmt.Sprintf(". Gain with own questions %s, with those of other rows %s (difference %s, 95 %% interval %s to %s, %s)",
			signed(m.Own), signed(m.Other), signed(m.Difference), signed(m.CILow), signed(m.CIHigh), report.PValue(m.PValue))
	}
	if c.Missing > 0 {
		verdict += " " + report.Plural(c.Missing, "more row") + " had no finite value of one of the models."
	}
	return verdict, detail + ". Both models were scored on the same rows; the test is paired."
}

// matchWords says why a significant gain is not enough: it may be a matter of form alone.
func matchWords(m training.Match) string {
	if m.Metric == training.MetricOtherNDCG {
		return " But searches of other rows may find the same documents as much better. Training may have taught only to rank some documents higher."
	}
	return " But it was not shown that answers gained more after their own questions than after questions of other rows. Training may have taught only their form: language, length and end."
}

func about(r summary.Run) report.About {
	a := r.Adapter
	out := report.About{
		Job: a.Job, Models: []report.Pair{{Name: "Base model", Value: a.Spec.Model}}, Tenant: string(r.Tenant),
		Started: r.Started, Ended: r.Ended, Run: r.Run, Version: r.Version,
	}
	if a.Version > 0 {
		out.First = append(out.First, report.Pair{Name: "Version", Value: strconv.Itoa(a.Version)})
	}
	out.First = append(out.First, report.Pair{Name: "Method", Value: methodTitle(a.Spec.Method)})
	if a.Role != a.Name {
		out.First = append(out.First, report.Pair{Name: "Role", Value: report.Clean(a.Role, report.MaxName)})
	}
	return out
}

func methodTitle(m training.Method) string {
	switch m {
	case training.SFT:
		return "SFT, supervised fine-tuning"
	case training.DPO:
		return "DPO, preference optimization"
	case training.KTO:
		return "KTO, optimization on rated answers"
	case training.Embedding:
		return "Embedding model"
	}
	return report.Clean(string(m), report.MaxLabel)
}

func notices(r summary.Run, s history) []string {
	var out []string
	if r.Adapter.Outcome.Unsandboxed {
		out = append(out, "The trainer ran without a sandbox: its worker was started with --no-sandbox.")
	}
	if s.lost > 0 {
		out = append(out, report.Plural(s.lost, "step")+" had a loss that is not a number. Lower the learning rate, or check the rows.")
	}
	if r.Status == "unchanged" {
		out = append(out, "The same job was completed before. Nothing was computed again; the numbers are from that run.")
	}
	if d := r.Adapter.Outcome.Data; d != nil && d.Truncated > 0 && d.Rows > 0 && d.Truncated*20 >= d.Rows {
		out = append(out, fmt.Sprintf("%s of %s rows are longer than max_seq_length (%s tokens) and were cut.",
			report.Count(d.Truncated), report.Count(d.Rows), report.Count(r.Adapter.Spec.Config.MaxSeqLength)))
	}
	if r.Check.Eval != nil && r.Check.Eval.Leaks > 0 {
		out = append(out, report.Plural(r.Check.Eval.Leaks, "row")+" of the evaluation dataset have a prompt that was trained on. The comparison is biased in favour of the adapter.")
	}
	return out
}

func tiles(r summary.Run, s history) []report.Tile {
	o := r.Adapter.Outcome
	steps := report.Tile{Value: report.Count(o.Steps), Label: "steps"}
	if o.Total > 0 && o.Total != o.Steps {
		steps.Note = "of " + report.Count(o.Total) + " planned"
	}
	if o.BestStep > 0 && o.BestStep != o.Steps {
		steps.Label = "steps, best at " + report.Count(o.BestStep)
	}
	speed := report.Tile{Value: report.Absent, Label: "tokens/s, average"}
	if o.Seconds > 0 {
		speed.Value = report.Rate(float64(o.Tokens) / o.Seconds)
	}
	if v := median(s.speed); v > 0 {
		speed.Note = report.Rate(v) + " in the median step"
	}
	device := report.Clean(o.Device, report.MaxLabel+8)
	if len(s.devices) > 1 {
		device += fmt.Sprintf(" and %d more", len(s.devices)-1)
	}
	gpu := report.Tile{Value: cmp.Or(report.Clean(o.GPU, report.MaxLabel), report.Absent), Label: "GPU class", Note: device}
	redone := report.Tile{Value: report.Count(o.Redone), Label: "steps redone"}
	if o.Attempts > 0 {
		redone.Note = report.Plural(o.Attempts, "attempt")
	}
	memory := report.Tile{Value: size(o.MemoryBytes), Label: "peak memory"}
	if o.MicroBatch > 0 {
		memory.Note = "micro-batch of " + report.Count(o.MicroBatch)
	}
	return []report.Tile{
		steps,
		{Value: large(o.Tokens), Label: "tokens trained on"},
		speed,
		{Value: seconds(o.Seconds), Label: "training time"},
		{Value: report.USD(o.CostUSD), Label: "cost"},
		gpu, memory, redone,
	}
}

func median(points []report.XY) float64 {
	var ys []float64
	for _, p := range points {
		if report.Finite(p.Y) {
			ys = append(ys, p.Y)
		}
	}
	if len(ys) == 0 {
		return 0
	}
	slices.Sort(ys)
	return ys[len(ys)/2]
}

// commands are the command lines that use the adapter. There are none if its name cannot be
// shown unchanged: the commands would be for another adapter.
func commands(r summary.Run) []report.Command {
	a := r.Adapter
	if a.Version < 1 || training.CheckName("name", a.Name) != nil {
		return nil
	}
	at := a.Name + "@" + strconv.Itoa(a.Version)
	tenant := ""
	if r.Tenant != "" && r.Tenant != "default" {
		if report.Clean(string(r.Tenant), report.MaxName) != string(r.Tenant) {
			return nil
		}
		tenant = " --tenant " + report.Quote(string(r.Tenant))
	}
	force := ""
	if !a.Outcome.Better() {
		force = " --force"
	}
	return []report.Command{
		{Purpose: "Activate it in its role:", Line: "cogflow adapters activate " + at + tenant + force},
		{Purpose: "Download it and check the SHA-256 of every file:", Line: "cogflow adapters download " + at + tenant + " --to ./" + a.Name},
		{Purpose: "Show its manifest and lineage:", Line: "cogflow adapters show " + at + tenant},
	}
}

func foot(r summary.Run) []report.Pair {
	return report.Known([]report.Pair{
		{Name: "Workflow id", Value: report.Clean(r.Workflow, report.MaxReason)},
		{Name: "Ended", Value: report.Moment(r.Ended)},
	})
}

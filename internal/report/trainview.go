package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/summary"
)

// trainPage is what the template prints. Every string in it is clean already.
type trainPage struct {
	CSS      template.CSS
	Title    string
	Badges   []outcome
	Verdict  string
	Detail   string
	Notices  []string
	Facts    []pair
	Tiles    []tile
	Loss     *curve
	Small    []*curve
	Metrics  []metricRow
	Interval *interval
	Points   pointTable
	Data     *dataView
	Plan     []planRow
	PlanNote string
	Samples  []sampleRow
	Measure  string // of the samples
	Commands []command
	Lineage  []pair
	Settings []pair
	Versions []pair
	Foot     []pair
	Again    string
}

type command struct{ Says, Line string }

func newTrainPage(r summary.Run) trainPage {
	a, o := r.Adapter, r.Adapter.Outcome
	s := read(r.Events)
	p := trainPage{
		CSS: template.CSS(style + trainStyle), Title: trainTitle(a), Badges: trainBadges(r), Facts: trainFacts(r),
		Notices: trainNotices(r, s), Tiles: trainTiles(r, s), Loss: lossCurve(s, o), Small: smallCurves(s, a.Spec.Method, o),
		Metrics: metricRows(a.Spec.Method, o), Points: newPoints(a.Spec.Method, s, o), Data: newDataView(r),
		Samples: sampleRows(r), Commands: commands(r), Lineage: lineage(r), Settings: settings(a.Spec),
		Versions: versions(o.Versions), Foot: trainFoot(r), Again: again(r.Workflow),
	}
	p.Plan, p.PlanNote = planRows(r)
	p.Verdict, p.Detail = plainWords(a.Spec.Method, o)
	if c := o.Comparison; c != nil {
		p.Interval = newInterval(*c)
		p.Measure = lower(metricTitle(a.Spec.Method, c.Metric))
	}
	return p
}

func trainTitle(a training.Adapter) string {
	if name := clean(a.Name, maxName); name != "" {
		return name
	}
	if name := clean(a.Spec.Model, maxName); name != "" {
		return name
	}
	return "Training run"
}

// trainBadges say how the run ended and whether what it made is of use.
func trainBadges(r summary.Run) []outcome {
	var out []outcome
	o := r.Adapter.Outcome
	switch {
	case r.Status == "unchanged":
		out = append(out, outcome{"calm", "Unchanged"})
	case o.Ended == training.EndedOutOfMemory:
		out = append(out, outcome{"bad", "Out of memory"})
	case o.Ended == training.EndedBudget:
		out = append(out, outcome{"warn", "Stopped by the budget"})
	case r.Status == "stopped" || o.Ended == training.EndedStopped:
		out = append(out, outcome{"warn", "Stopped, the best so far is kept"})
	}
	switch {
	case o.Comparison == nil:
		out = append(out, outcome{"calm", "Not compared with its base"})
	case o.Comparison.Better:
		out = append(out, outcome{"good", "Better than its base"})
	default:
		out = append(out, outcome{"warn", "Not better than its base"})
	}
	return out
}

// plainWords says what the paired test found to somebody who knows no statistics.
func plainWords(method training.Method, o training.Outcome) (verdict, detail string) {
	c := o.Comparison
	if c == nil {
		return "Nothing was held out, so nobody knows whether this is better than its base. Give an evaluation dataset, or hold out a share of the rows.", ""
	}
	if c.N == 0 {
		return "No verdict: " + or(clean(c.Verdict, maxReason), "no held-out row has a finite value of both models") + ".", ""
	}
	metric := lower(metricTitle(method, c.Metric))
	how := "lower"
	if c.Difference > 0 {
		how = "higher"
	}
	wanted := (c.Difference < 0) == c.LowerIsBetter
	verdict = fmt.Sprintf("On %s the mean %s is %s %s than the base model's (%s instead of %s).", plural(c.N, "held-out row"), metric,
		figure(math.Abs(c.Difference)), how, figure(c.Best), figure(c.Base))
	switch {
	case c.Difference == 0:
		verdict = fmt.Sprintf("On %s the mean %s is the same as the base model's, %s.", plural(c.N, "held-out row"), metric, figure(c.Base))
	case c.Better:
		verdict += " That is more than chance explains."
	case wanted && c.PValue >= 0.05:
		verdict += " Chance alone may well do that: more held-out rows, or more training, would tell."
	case !wanted && c.PValue < 0.05:
		verdict += " It got worse, and not by chance: look at the learning rate and at the data."
	default:
		verdict += " It did not get better."
	}
	detail = fmt.Sprintf("Difference %s, 95 %% interval %s to %s, %s", signed(c.Difference), signed(c.CILow), signed(c.CIHigh), chance(c.PValue))
	if test := clean(c.Test, maxName); test != "" {
		detail += ", " + test
	}
	if c.Missing > 0 {
		verdict += " On " + plural(c.Missing, "more row") + " a model gave no finite value."
	}
	return verdict, detail + ". Base and trained model were asked about the same rows, and the differences row by row were tested."
}

func trainFacts(r summary.Run) []pair {
	a := r.Adapter
	list := []pair{
		{"Method", methodTitle(a.Spec.Method)},
		{"Base model", clean(a.Spec.Model, maxName)},
		{"Tenant", clean(string(r.Tenant), maxName)},
		{"Started", moment(r.Started)},
	}
	if a.Version > 0 {
		list = append([]pair{{"Version", strconv.Itoa(a.Version)}}, list...)
	}
	if a.Role != a.Name {
		list = append(list, pair{"Role", clean(a.Role, maxName)})
	}
	if !r.Started.IsZero() && r.Ended.After(r.Started) {
		list = append(list, pair{"Took", span(r.Ended.Sub(r.Started).Milliseconds())})
	}
	return known(list)
}

func methodTitle(m training.Method) string {
	switch m {
	case training.SFT:
		return "SFT, supervised fine-tuning"
	case training.DPO:
		return "DPO, preference optimization"
	case training.Embedding:
		return "Embedding model"
	}
	return clean(string(m), maxLabel)
}

func trainNotices(r summary.Run, s story) []string {
	var out []string
	if r.Adapter.Outcome.Unsandboxed {
		out = append(out, "The trainer ran without a sandbox: its worker was started with --no-sandbox.")
	}
	if s.lost > 0 {
		out = append(out, plural(s.lost, "step")+" had a loss that is not a number. Lower the learning rate, or look at the rows.")
	}
	if r.Status == "unchanged" {
		out = append(out, "The same job was done before. Nothing was computed again; the figures are of that run.")
	}
	if d := r.Adapter.Outcome.Data; d != nil && d.Truncated > 0 && d.Rows > 0 && d.Truncated*20 >= d.Rows {
		out = append(out, fmt.Sprintf("%s of %s rows are longer than max_seq_length (%s tokens) and were cut.",
			count(d.Truncated), count(d.Rows), count(r.Adapter.Spec.Config.MaxSeqLength)))
	}
	if r.Check.Eval != nil && r.Check.Eval.Leaks > 0 {
		out = append(out, plural(r.Check.Eval.Leaks, "row")+" of the evaluation dataset have a prompt that was trained on: the comparison flatters.")
	}
	return out
}

func trainTiles(r summary.Run, s story) []tile {
	o := r.Adapter.Outcome
	steps := tile{Value: count(o.Steps), Label: "steps"}
	if o.Total > 0 && o.Total != o.Steps {
		steps.Note = "of " + count(o.Total) + " planned"
	}
	if o.BestStep > 0 && o.BestStep != o.Steps {
		steps.Label = "steps, best at " + count(o.BestStep)
	}
	speed := tile{Value: absent, Label: "tokens/s"}
	if o.Seconds > 0 {
		speed.Value = rate(float64(o.Tokens) / o.Seconds)
	}
	if v := median(s.speed); v > 0 {
		speed = tile{Value: rate(v), Label: "tokens/s in training"}
	}
	device := clean(o.Device, maxLabel+8)
	if len(s.devices) > 1 {
		device += fmt.Sprintf(" and %d more", len(s.devices)-1)
	}
	gpu := tile{Value: or(clean(o.GPU, maxLabel), absent), Label: "GPU class", Note: device}
	redone := tile{Value: count(o.Redone), Label: "steps redone"}
	if o.Attempts > 0 {
		redone.Note = plural(o.Attempts, "attempt")
	}
	memory := tile{Value: size(o.MemoryBytes), Label: "peak memory"}
	if o.MicroBatch > 0 {
		memory.Note = "micro-batch of " + count(o.MicroBatch)
	}
	return []tile{
		steps,
		{Value: large(o.Tokens), Label: "tokens trained on"},
		speed,
		{Value: seconds(o.Seconds), Label: "training time"},
		{Value: usd(o.CostUSD), Label: "cost"},
		gpu, memory, redone,
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func median(points []xy) float64 {
	var ys []float64
	for _, p := range points {
		if finite(p.y) {
			ys = append(ys, p.y)
		}
	}
	if len(ys) == 0 {
		return 0
	}
	slices.Sort(ys)
	return ys[len(ys)/2]
}

// commands put the adapter to use. A name that cannot be shown as it is has none:
// a command for another adapter would be worse.
func commands(r summary.Run) []command {
	a := r.Adapter
	if a.Version < 1 || training.CheckName("name", a.Name) != nil {
		return nil
	}
	at := a.Name + "@" + strconv.Itoa(a.Version)
	tenant := ""
	if r.Tenant != "" && r.Tenant != "default" {
		if clean(string(r.Tenant), maxName) != string(r.Tenant) {
			return nil
		}
		tenant = " --tenant " + quote(string(r.Tenant))
	}
	force := ""
	if !a.Outcome.Better() {
		force = " --force"
	}
	return []command{
		{"Make it the active one of its role:", "cogflow adapters activate " + at + tenant + force},
		{"Fetch it, every file checked against its SHA-256:", "cogflow adapters download " + at + tenant + " --to ./" + a.Name},
		{"Show its manifest and lineage:", "cogflow adapters show " + at + tenant},
	}
}

func trainFoot(r summary.Run) []pair {
	return known([]pair{
		{"Workflow id", clean(r.Workflow, maxReason)},
		{"Run id", clean(r.Run, maxName)},
		{"Job", clean(r.Adapter.Job, maxName)},
		{"Ended", moment(r.Ended)},
	})
}

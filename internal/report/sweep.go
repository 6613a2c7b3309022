package report

import (
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/training/summary"

	_ "embed"

	"github.com/cogniverse/cogflow/training"
)

//go:embed sweep.gohtml
var sweepText string

// RenderSweep writes r as a whole HTML document, under the rules of Render.
func RenderSweep(w io.Writer, r summary.Sweep) error {
	return renderTraining(w, "sweep", sweepText, r.Workflow, newSweepPage(r))
}

// maxRuns is how many runs a page lists.
const maxRuns = 1000

// sweepPage is what the template prints. Every string in it is clean already.
type sweepPage struct {
	CSS      template.CSS
	Title    string
	Badges   []outcome
	Summary  string
	Facts    []pair
	Tiles    []tile
	Varied   []string
	Primary  string   // metric that the bars are of
	Others   []string // further metrics
	Lower    bool     // less of it is better
	Runs     []sweepRun
	Omitted  int
	Failures []sweepFailure
	Best     []command
	Foot     []pair
	Again    string
}

type sweepRun struct {
	Number          int
	Values          []string
	Primary, Width  string
	Others          []string
	Verdict, Tone   string
	Adapter         string
	Took, Cost      string
	Best, HasResult bool
}

type sweepFailure struct {
	Number                   int
	Values, Workflow, Reason string
}

func newSweepPage(r summary.Sweep) sweepPage {
	p := sweepPage{
		CSS: template.CSS(style + trainStyle), Title: "Sweep", Foot: known([]pair{
			{"Workflow id", clean(r.Workflow, maxReason)}, {"Run id", clean(r.Run, maxName)}, {"Ended", moment(r.Ended)},
		}), Again: again(r.Workflow), Omitted: max(0, len(r.Runs)-maxRuns),
	}
	for _, name := range r.Varied {
		p.Varied = append(p.Varied, clean(name, 2*maxLabel))
	}
	if len(p.Varied) > 0 {
		p.Title = clean("Sweep over "+strings.Join(p.Varied, ", "), maxName)
	}
	p.Facts = known([]pair{
		{"Method", methodTitle(r.Method)}, {"Tenant", clean(string(r.Tenant), maxName)}, {"Started", moment(r.Started)},
	})
	if !r.Started.IsZero() && r.Ended.After(r.Started) {
		p.Facts = append(p.Facts, pair{"Took", span(r.Ended.Sub(r.Started).Milliseconds())})
	}
	p.runs(r)
	p.count(r)
	return p
}

// primaryOf is the metric that a sweep is judged by, of those that are there.
func primaryOf(method training.Method, names []string) string {
	for _, want := range training.PrimaryMetrics(method) {
		if slices.Contains(names, want) {
			return want
		}
	}
	if len(names) == 0 {
		return training.PrimaryMetrics(method)[0]
	}
	return names[0]
}

func (p *sweepPage) runs(r summary.Sweep) {
	var sets []map[string]float64
	for _, run := range r.Runs {
		sets = append(sets, run.Metrics)
	}
	names := metricNames(sets...)
	primary := primaryOf(r.Method, names)
	p.Primary, p.Lower = metricTitle(r.Method, primary), training.LowerIsBetter(primary)
	names = slices.DeleteFunc(names, func(name string) bool { return name == primary })
	for _, name := range names {
		p.Others = append(p.Others, metricTitle(r.Method, name))
	}
	top := 0.0
	for _, set := range sets {
		if v := set[primary]; finite(v) {
			top = max(top, v)
		}
	}
	for i, run := range r.Runs[:min(len(r.Runs), maxRuns)] {
		row := sweepRun{Number: i + 1, Best: i == r.Best, HasResult: run.Failure == "", Took: seconds(run.Seconds), Cost: usd(run.CostUSD), Primary: absent}
		for j := range p.Varied {
			value := absent
			if j < len(run.Values) {
				value = settingText(run.Values[j])
			}
			row.Values = append(row.Values, value)
		}
		if v, ok := run.Metrics[primary]; ok {
			row.Primary = figure(v)
			if finite(v) && top > 0 {
				row.Width = percent(unit(v / top))
			}
		}
		for _, name := range names {
			cell := absent
			if v, ok := run.Metrics[name]; ok {
				cell = figure(v)
			}
			row.Others = append(row.Others, cell)
		}
		row.Verdict, row.Tone = "not better", "warn"
		switch {
		case run.Failure != "":
			row.Verdict, row.Tone = "failed", "bad"
		case run.Better:
			row.Verdict, row.Tone = "better", "good"
		}
		if run.Version > 0 {
			row.Adapter = clean(run.Adapter, maxName) + "@" + strconv.Itoa(run.Version)
		}
		if run.Failure != "" {
			p.Failures = append(p.Failures, sweepFailure{i + 1, strings.Join(row.Values, ", "), clean(run.Workflow, maxReason), clean(run.Failure, maxReason)})
		}
		p.Runs = append(p.Runs, row)
	}
}

// settingText shows the JSON of a value: a text without its quotes.
func settingText(value string) string {
	if n, err := strconv.ParseFloat(value, 64); err == nil && finite(n) {
		return settingNumber(n)
	}
	return clean(strings.Trim(value, `"`), 2*maxLabel)
}

// count fills in the totals and what is said of them.
func (p *sweepPage) count(r summary.Sweep) {
	failed, better, cost, took := 0, 0, 0.0, 0.0
	for _, run := range r.Runs {
		if run.Failure != "" {
			failed++
		} else if run.Better {
			better++
		}
		if finite(run.CostUSD) {
			cost += run.CostUSD
		}
		if finite(run.Seconds) {
			took += math.Max(0, run.Seconds)
		}
	}
	p.Badges = []outcome{{"good", "Complete"}}
	switch {
	case len(r.Runs) == 0:
		p.Badges = []outcome{{"calm", "No runs"}}
	case failed == len(r.Runs):
		p.Badges = []outcome{{"bad", "Failed"}}
	case failed > 0:
		p.Badges = []outcome{{"warn", "Finished, " + count(failed) + " failed"}}
	}
	missed := tile{Value: count(failed), Label: "failed"}
	if failed > 0 {
		missed.Tone = "bad"
	}
	p.Tiles = []tile{
		{Value: count(len(r.Runs)), Label: "runs"},
		{Value: count(better), Label: "better than the base"},
		missed,
		{Value: absent, Label: "best " + lower(p.Primary)},
		{Value: seconds(took), Label: "training time, summed"},
		{Value: usd(cost), Label: "cost"},
	}
	p.Summary = "No run has a result, so none is the best."
	if r.Best < 0 || r.Best >= len(r.Runs) || r.Best >= len(p.Runs) {
		return
	}
	best, run := r.Runs[r.Best], p.Runs[r.Best]
	p.Tiles[3].Value = run.Primary
	var what []string
	for i, name := range p.Varied {
		what = append(what, name+" = "+run.Values[i])
	}
	p.Summary = "The best is run " + count(r.Best+1)
	if len(what) > 0 {
		p.Summary += ", with " + strings.Join(what, ", ")
	}
	p.Summary += ": " + lower(p.Primary) + " " + run.Primary + "."
	if !best.Better {
		p.Summary += " It was not shown to be better than the base model."
	}
	p.Summary = clean(p.Summary, maxReason)
	p.Best = commands(summary.Run{Tenant: r.Tenant, Adapter: training.Adapter{
		Name: best.Adapter, Version: best.Version, Outcome: training.Outcome{Comparison: &training.Comparison{Better: best.Better}},
	}})
}

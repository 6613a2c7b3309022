package train

import (
	_ "embed"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/summary"
)

//go:embed sweep.gohtml
var sweepText string

// RenderSweep writes r as a complete HTML document, as Render does.
func RenderSweep(w io.Writer, r summary.Sweep) error {
	return report.Write(w, "sweep", sweepText, r.Workflow, newSweepPage(r))
}

// maxRuns is the maximum number of runs on a page.
const maxRuns = 1000

// sweepPage is the data of the template. Every string in it is already cleaned.
type sweepPage struct {
	report.Head
	Summary  string
	Tiles    []report.Tile
	Varied   []string
	Primary  string   // metric that the bars show
	Others   []string // further metrics
	Lower    bool     // lower values are better
	Runs     []sweepRun
	Took     string // of all runs
	Cost     string
	Omitted  int
	Rounded  bool // the shown costs do not add up to the shown total
	Failures []sweepFailure
	Best     []report.Command
	Foot     []report.Pair
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
		Foot: report.Known([]report.Pair{
			{Name: "Workflow id", Value: report.Clean(r.Workflow, report.MaxReason)}, {Name: "Ended", Value: report.Moment(r.Ended)},
		}), Again: report.Again(r.Workflow), Omitted: max(0, len(r.Runs)-maxRuns),
	}
	title := "Sweep"
	for _, name := range r.Varied {
		p.Varied = append(p.Varied, report.Clean(settingName(name), 2*report.MaxLabel))
	}
	if len(p.Varied) > 0 {
		title = report.Clean("Sweep over "+strings.Join(p.Varied, ", "), report.MaxName)
	}
	p.runs(r)
	badges := p.count(r)
	about := report.About{
		First:  []report.Pair{{Name: "Method", Value: methodTitle(r.Method)}},
		Models: []report.Pair{{Name: "Base model", Value: report.Clean(strings.Join(r.Models, ", "), report.MaxName)}},
		Tenant: string(r.Tenant), Started: r.Started, Ended: r.Ended, Run: r.Run, Version: r.Version,
	}
	p.Head = report.NewHead("sweep report", title, badges, about, report.CurveStyle)
	return p
}

// primaryOf is the metric by which the best run is chosen.
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
		if v := set[primary]; report.Finite(v) {
			top = max(top, v)
		}
	}
	costs := make([]float64, len(r.Runs))
	for i, run := range r.Runs {
		costs[i] = run.CostUSD
	}
	shown, total, exact := report.USDs(costs, sum(costs))
	p.Cost, p.Rounded = total, !exact
	for i, run := range r.Runs[:min(len(r.Runs), maxRuns)] {
		row := sweepRun{Number: i + 1, Best: i == r.Best, HasResult: run.Failure == "", Took: seconds(run.Seconds), Cost: shown[i], Primary: report.Absent}
		for j := range p.Varied {
			value := report.Absent
			if j < len(run.Values) {
				value = settingText(run.Values[j])
			}
			row.Values = append(row.Values, value)
		}
		if v, ok := run.Metrics[primary]; ok {
			row.Primary = figure(v)
			if report.Finite(v) && top > 0 {
				row.Width = report.Percent(report.Unit(v / top))
			}
		}
		for _, name := range names {
			cell := report.Absent
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
			row.Adapter = report.Clean(run.Adapter, report.MaxName) + "@" + strconv.Itoa(run.Version)
		}
		if run.Failure != "" {
			p.Failures = append(p.Failures, sweepFailure{i + 1, strings.Join(row.Values, ", "), report.Clean(run.Workflow, report.MaxReason), report.Clean(run.Failure, report.MaxReason)})
		}
		p.Runs = append(p.Runs, row)
	}
}

// settingName is the name of a setting in --set and --grid: it omits the section of the method.
func settingName(name string) string {
	if section, rest, ok := strings.Cut(name, "."); ok && strings.HasSuffix(section, "_config") && rest != "" {
		return rest
	}
	return name
}

// settingText is the JSON of a value; a string is shown without its quotes.
func settingText(value string) string {
	if n, err := strconv.ParseFloat(value, 64); err == nil && report.Finite(n) {
		return settingNumber(n)
	}
	return report.Clean(strings.Trim(value, `"`), 2*report.MaxLabel)
}

// sum adds up the values that are finite.
func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		if report.Finite(v) {
			total += v
		}
	}
	return total
}

// count sets the totals, the tiles and the summary.
func (p *sweepPage) count(r summary.Sweep) (badges []report.Badge) {
	failed, better, took := 0, 0, 0.0
	for _, run := range r.Runs {
		if run.Failure != "" {
			failed++
		} else if run.Better {
			better++
		}
		if report.Finite(run.Seconds) {
			took += math.Max(0, run.Seconds)
		}
	}
	badges = []report.Badge{{Tone: "good", Text: "Complete"}}
	switch {
	case len(r.Runs) == 0:
		badges = []report.Badge{{Tone: "calm", Text: "No runs"}}
	case failed == len(r.Runs):
		badges = []report.Badge{{Tone: "bad", Text: "Failed"}}
	case failed > 0:
		badges = []report.Badge{{Tone: "warn", Text: "Finished, " + report.Count(failed) + " failed"}}
	}
	missed := report.Tile{Value: report.Count(failed), Label: "failed"}
	if failed > 0 {
		missed.Tone = "bad"
	}
	p.Took = seconds(took)
	p.Tiles = []report.Tile{
		{Value: report.Count(len(r.Runs)), Label: "runs"},
		{Value: report.Count(better), Label: "better than the base"},
		missed,
		{Value: report.Absent, Label: "best " + lower(p.Primary)},
		{Value: p.Took, Label: "training time (sum)"},
		{Value: p.Cost, Label: "cost"},
	}
	p.Summary = "No run has a result, so there is no best run."
	if r.Best < 0 || r.Best >= len(r.Runs) || r.Best >= len(p.Runs) {
		return badges
	}
	best, run := r.Runs[r.Best], p.Runs[r.Best]
	p.Tiles[3].Value = run.Primary
	var what []string
	for i, name := range p.Varied {
		what = append(what, name+" = "+run.Values[i])
	}
	p.Summary = "The best is run " + report.Count(r.Best+1)
	if len(what) > 0 {
		p.Summary += ", with " + strings.Join(what, ", ")
	}
	p.Summary += ": " + lower(p.Primary) + " " + run.Primary + "."
	if !best.Better {
		p.Summary += " It was not shown to be better than the base model."
	}
	p.Summary = report.Clean(p.Summary, report.MaxReason)
	p.Best = commands(summary.Run{Tenant: r.Tenant, Adapter: training.Adapter{
		Name: best.Adapter, Version: best.Version, Outcome: training.Outcome{Comparison: &training.Comparison{Better: best.Better}},
	}})
	return badges
}

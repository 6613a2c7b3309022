// Package optimize renders the report of a prompt optimization: its trials, the changes of
// the prompt, and the verdict. It renders its input and does not access models,
// stores, workflows or the reports of other features.
package optimize

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/training"
)

//go:embed optimize.css
var pageStyle string

//go:embed optimize.gohtml
var pageText string

// Render writes r as a complete HTML document. Texts in r may be malicious. Errors of w are
// returned as report.Write returns them.
func Render(w io.Writer, r prompt.Report) error {
	return report.Write(w, "optimize", pageText, r.Release.Workflow, newPage(r))
}

// page is the data of the template. Every string in it is already cleaned.
type page struct {
	report.Head
	Tone       string // of the verdict
	Verdict    string
	Detail     string
	Notices    []string
	Tiles      []report.Tile
	Trials     *report.Curve
	Spread     []spreadRow
	Omitted    int // candidates
	Front      []frontRow
	Rejected   string // new candidates of mode gepa
	Counted    string // why the table counts fewer trials than the search
	Predictors []predictorView
	More       int // predictors that are not shown
	Rows       []report.Chat
	Commands   []report.Command
	Foot       []report.Pair
	Again      string
}

func newPage(r prompt.Report) page {
	v := r.Release
	p := page{
		Head:    report.NewHead("prompt optimization report", cmp.Or(report.Clean(v.Name, report.MaxName), "Prompt optimization"), badges(r), about(r), report.CurveStyle, pageStyle),
		Notices: notices(r), Tiles: tiles(r), Trials: newTrialPlot(r.Trials), Rows: chats(r.Rows),
		Commands: programCommands(r), Again: report.Again(v.Workflow),
		Foot: report.Known([]report.Pair{
			{Name: "Choice", Value: choiceText(v.Choice)},
			{Name: "Workflow id", Value: report.Clean(v.Workflow, report.MaxReason)},
			{Name: "Ended", Value: report.Moment(r.Ended)},
		}),
	}
	p.Verdict, p.Detail = verdict(v)
	p.Tone = "warn"
	if v.Verdict.Promote {
		p.Tone = "good"
	}
	if len(r.Candidates) > 0 { // mode gepa: its trials are on different rows
		p.Front, p.Omitted, p.Rejected = newFront(r)
	} else {
		p.Spread, p.Omitted, p.Counted = spreadRows(r.Trials, v.Choice, v.Trials)
	}
	p.Predictors, p.More = predictorViews(r.Before, r.After)
	return p
}

func badges(r prompt.Report) []report.Badge {
	var out []report.Badge
	if r.Release.Stopped {
		out = append(out, report.Badge{Tone: "warn", Text: "Stopped, the best so far is kept"})
	}
	switch {
	case r.Release.Verdict.Promote:
		out = append(out, report.Badge{Tone: "good", Text: "Better than the default"})
	default:
		out = append(out, report.Badge{Tone: "warn", Text: "Not shown to be better"})
	}
	if r.Promoted {
		return append(out, report.Badge{Tone: "good", Text: "Promoted"})
	}
	return append(out, report.Badge{Tone: "calm", Text: "Not promoted"})
}

// ofOne formats a score from 0 to 1 as a percentage.
func ofOne(v float64) string { return percentage(100 * v) }

// percentage formats a score in percent.
func percentage(v float64) string {
	if !report.Finite(v) {
		return report.Absent
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " %"
}

// points formats a difference of scores from 0 to 1 in percentage points.
func points(v float64) string {
	if !report.Finite(v) {
		return report.Absent
	}
	text := strconv.FormatFloat(math.Abs(100*v), 'f', 1, 64)
	switch {
	case text == "0.0":
	case v > 0:
		text = "+" + text
	default:
		text = "−" + text
	}
	return text + " points"
}

func about(r prompt.Report) report.About {
	v := r.Release
	out := report.About{
		Job: v.Job, Tenant: string(r.Tenant), Started: r.Started, Ended: r.Ended, Run: r.Run, Version: r.Version,
		Models: []report.Pair{
			{Name: "Student", Value: v.Models.Student},
			{Name: "Teacher", Value: v.Models.Teacher},
			{Name: "Proposer", Value: v.Models.Proposer},
			{Name: "Judge", Value: v.Models.Judge},
		},
	}
	if v.Version > 0 {
		out.First = append(out.First, report.Pair{Name: "Version", Value: strconv.Itoa(v.Version)})
	}
	out.First = append(out.First, report.Pair{Name: "Mode", Value: report.Clean(v.Mode, report.MaxLabel)})
	return out
}

func notices(r prompt.Report) []string {
	var out []string
	if r.Unsandboxed {
		out = append(out, "Metric commands ran without a sandbox: a worker was started with --no-sandbox.")
	}
	if r.Unscored > 0 {
		out = append(out, fmt.Sprintf("%s scored 0 because a metric command failed on them. One reason: %s",
			report.Plural(r.Unscored, "answer"), report.Clean(r.UnscoredWhy, report.MaxReason)))
	}
	for _, w := range outcome.Warnings(r.Unusable) {
		out = append(out, report.Clean(w, report.MaxReason))
	}
	for _, g := range r.Unusable {
		text := report.Clean(g.Text(), report.MaxReason)
		var samples []string
		for _, sample := range g.Samples {
			samples = append(samples, strconv.Quote(report.Clean(sample, report.MaxReason)))
		}
		if len(samples) > 0 {
			text += ", such as: " + strings.Join(samples, "; and: ")
		}
		out = append(out, text)
	}
	if r.Release.Verdict.Promote && !r.Promoted {
		out = append(out, "It is better, but was not promoted, because it was not approved. Use the command below to promote it.")
	}
	if v := r.Release.Verdict; v.Examples > 0 && max(v.Examples, v.Planned) < 20 {
		n := v.Examples
		out = append(out, fmt.Sprintf("Only %s were left for the confirmation: only a large gain can be significant.", report.Plural(n, "row")))
	}
	return out
}

func tiles(r prompt.Report) []report.Tile {
	v := r.Release
	took := report.Tile{Value: report.Absent, Label: "time"}
	if !r.Started.IsZero() && r.Ended.After(r.Started) {
		took.Value = report.Span(r.Ended.Sub(r.Started).Milliseconds())
	}
	repeated := report.Tile{Value: report.Count(v.Repeated), Label: "calls repeated"}
	if v.Repeated > 0 {
		repeated.Note = "in flight when a worker died"
	}
	return append(scoreTiles(v), []report.Tile{
		{Value: report.Count(v.Trials), Label: "trials"},
		{Value: report.Count(v.Calls), Label: "calls paid"},
		repeated,
		{Value: report.USD(v.CostUSD), Label: "cost"},
		took,
		{Value: report.Count(max(0, v.Verdict.Examples)), Label: "rows confirmed on"},
	}...)
}

// programCommands are the command lines that use the program. There are none if its name
// cannot be shown unchanged.
func programCommands(r prompt.Report) []report.Command {
	v := r.Release
	if v.Version < 1 || training.CheckName("name", v.Name) != nil {
		return nil
	}
	at := v.Name + "@" + strconv.Itoa(v.Version)
	tenant := ""
	if t := string(r.Tenant); t != "" && t != "default" {
		if report.Clean(t, report.MaxName) != t || strings.HasPrefix(t, "-") {
			return nil
		}
		tenant = " --tenant " + report.Quote(t)
	}
	out := []report.Command{{Purpose: "Show its instructions and demos:", Line: "cogflow programs show " + at + tenant}}
	if !r.Promoted {
		force := ""
		if !v.Verdict.Promote {
			force = " --force"
		}
		out = append(out, report.Command{Purpose: "Make it the active version:", Line: "cogflow programs promote " + at + tenant + force})
	}
	return append(out,
		report.Command{Purpose: "Export it for DSPy and check the SHA-256 of every file:", Line: "cogflow programs export " + at + tenant + " --to ./" + v.Name})
}

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/training"
)

//go:embed optimize.css
var optimizeStyle string

//go:embed optimize.gohtml
var optimizeText string

// RenderOptimize writes r as a whole HTML document, under the rules of Render.
func RenderOptimize(w io.Writer, r prompt.Report) error {
	return renderTraining(w, "optimize", optimizeText, r.Release.Workflow, newOptimizePage(r))
}

// optimizePage is what the template prints. Every string in it is clean already.
type optimizePage struct {
	CSS        template.CSS
	Title      string
	Badges     []outcome
	Tone       string // of the verdict
	Verdict    string
	Detail     string
	Notices    []string
	Facts      []pair
	Tiles      []tile
	Trials     *trialPlot
	Spread     []spreadRow
	Omitted    int // candidates
	Predictors []predictorView
	More       int // predictors that are not shown
	Rows       []rowView
	Models     []pair
	Commands   []command
	Foot       []pair
	Again      string
}

func newOptimizePage(r prompt.Report) optimizePage {
	v := r.Release
	p := optimizePage{
		CSS: template.CSS(style + trainStyle + optimizeStyle), Title: or(clean(v.Name, maxName), "Prompt optimization"), Badges: optimizeBadges(r),
		Facts: optimizeFacts(r), Notices: optimizeNotices(r), Tiles: optimizeTiles(r), Trials: newTrialPlot(r.Trials), Rows: rowViews(r.Rows),
		Models: optimizeModels(r), Commands: programCommands(r), Again: again(v.Workflow),
		Foot: known([]pair{
			{"Workflow id", clean(v.Workflow, maxReason)},
			{"Run id", clean(r.Run, maxName)},
			{"Job", clean(v.Job, maxName)},
			{"Ended", moment(r.Ended)},
		}),
	}
	p.Verdict, p.Detail = optimizeVerdict(v)
	p.Tone = "warn"
	if v.Verdict.Promote {
		p.Tone = "good"
	}
	p.Spread, p.Omitted = spreadRows(r.Trials, v.Choice)
	p.Predictors, p.More = predictorViews(r.Before, r.After)
	return p
}

func optimizeBadges(r prompt.Report) []outcome {
	var out []outcome
	if r.Release.Stopped {
		out = append(out, outcome{"warn", "Stopped, the best so far is kept"})
	}
	switch {
	case r.Release.Verdict.Promote:
		out = append(out, outcome{"good", "Better than the default"})
	default:
		out = append(out, outcome{"warn", "Not shown to be better"})
	}
	if r.Promoted {
		return append(out, outcome{"good", "Promoted"})
	}
	return append(out, outcome{"calm", "Not promoted"})
}

// optimizeVerdict says what the confirmation found to somebody who knows no
// statistics.
func optimizeVerdict(r prompt.Release) (verdict, detail string) {
	v := r.Verdict
	if v.Examples <= 0 && r.Trials > 0 && len(r.Choice) == 0 {
		return "The search found nothing better than the program as it was, so there was nothing to confirm.", ""
	}
	if v.Examples <= 0 {
		return "No rows were left that the search had not seen, so nobody knows whether this is better. Give a test set, or more rows.", ""
	}
	gain := v.After - v.Before
	verdict = fmt.Sprintf("On %s that no search saw the mean score is %s instead of %s.", plural(v.Examples, "row"), ofOne(v.After), ofOne(v.Before))
	detail = fmt.Sprintf("Gain %s; in %s of 100 cases the true gain is above %s; were neither better, so much would be gained with %s. "+
		"Both programs were asked the same rows.", points(gain), v.Sure(), points(v.Bound), chance(v.Chance))
	if v.Examples < v.Planned {
		detail += fmt.Sprintf(" %s more were not asked, since these decided.", count(v.Planned-v.Examples))
	}
	switch {
	case v.Promote:
		verdict += " That is more than chance explains."
	case len(r.Choice) == 0:
		verdict = fmt.Sprintf("The search found nothing better than the program as it was, whose mean score on %s that no search saw is %s.",
			plural(v.Examples, "row"), ofOne(v.Before))
		detail = ""
	case gain > 0:
		verdict += " Chance alone may well do that: more rows to confirm on, or more trials, would tell."
	default:
		verdict += " It did not get better where it had not been searched."
	}
	return verdict, detail
}

// ofOne is a score from 0 to 1 in percent.
func ofOne(v float64) string { return percentage(100 * v) }

// percentage is a score in percent.
func percentage(v float64) string {
	if !finite(v) {
		return absent
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " %"
}

// points is a difference of scores from 0 to 1, in points of a hundred.
func points(v float64) string {
	if !finite(v) {
		return absent
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

func optimizeFacts(r prompt.Report) []pair {
	v := r.Release
	list := []pair{
		{"Mode", clean(v.Mode, maxLabel)},
		{"Student", clean(v.Models.Student, maxName)},
		{"Tenant", clean(string(r.Tenant), maxName)},
		{"Started", moment(r.Started)},
	}
	if v.Version > 0 {
		list = append([]pair{{"Version", strconv.Itoa(v.Version)}}, list...)
	}
	if !r.Started.IsZero() && r.Ended.After(r.Started) {
		list = append(list, pair{"Took", span(r.Ended.Sub(r.Started).Milliseconds())})
	}
	return known(list)
}

func optimizeNotices(r prompt.Report) []string {
	var out []string
	if r.Unsandboxed {
		out = append(out, "Metric commands ran without a sandbox: a worker was started with --no-sandbox.")
	}
	if r.Release.Verdict.Promote && !r.Promoted {
		out = append(out, "It is better and was not promoted: nobody approved it. The command below does.")
	}
	if v := r.Release.Verdict; v.Examples > 0 && max(v.Examples, v.Planned) < 20 {
		n := v.Examples
		out = append(out, fmt.Sprintf("%s to confirm on are few: only a large gain can be told from chance.", plural(n, "row")))
	}
	return out
}

func optimizeTiles(r prompt.Report) []tile {
	v := r.Release
	took := tile{Value: absent, Label: "time"}
	if !r.Started.IsZero() && r.Ended.After(r.Started) {
		took.Value = span(r.Ended.Sub(r.Started).Milliseconds())
	}
	repeated := tile{Value: count(v.Repeated), Label: "calls repeated"}
	if v.Repeated > 0 {
		repeated.Note = "in flight when a worker died"
	}
	after := tile{Value: percentage(v.Score), Label: "score now"}
	if finite(v.Score - v.Default) {
		after.Note = points((v.Score - v.Default) / 100)
	}
	return []tile{
		{Value: percentage(v.Default), Label: "score before"},
		after,
		{Value: count(v.Trials), Label: "trials"},
		{Value: count(v.Calls), Label: "calls paid"},
		repeated,
		{Value: usd(v.CostUSD), Label: "cost"},
		took,
		{Value: count(max(0, v.Verdict.Examples)), Label: "rows confirmed on"},
	}
}

func optimizeModels(r prompt.Report) []pair {
	m := r.Release.Models
	return known([]pair{
		{"Student", clean(m.Student, maxName)},
		{"Teacher", clean(m.Teacher, maxName)},
		{"Proposer", clean(m.Proposer, maxName)},
		{"Judge", clean(m.Judge, maxName)},
		{"Choice", choiceText(r.Release.Choice)},
	})
}

// programCommands put the program to use, under the rules of commands.
func programCommands(r prompt.Report) []command {
	v := r.Release
	if v.Version < 1 || training.CheckName("name", v.Name) != nil {
		return nil
	}
	at := v.Name + "@" + strconv.Itoa(v.Version)
	tenant := ""
	if t := string(r.Tenant); t != "" && t != "default" {
		if clean(t, maxName) != t || strings.HasPrefix(t, "-") {
			return nil
		}
		tenant = " --tenant " + quote(t)
	}
	out := []command{{"Show its instructions and demos:", "cogflow programs show " + at + tenant}}
	if !r.Promoted {
		force := ""
		if !v.Verdict.Promote {
			force = " --force"
		}
		out = append(out, command{"Make it the active version:", "cogflow programs promote " + at + tenant + force})
	}
	return append(out,
		command{"Fetch it as DSPy loads it, every file checked against its SHA-256:", "cogflow programs export " + at + tenant + " --to ./" + v.Name})
}

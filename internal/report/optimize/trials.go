package optimize

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
)

// maxTrials is the maximum number of dots in a plot; most searches have fewer than 100.
const maxTrials = 2000

// trialKinds are the kinds of trials, their colours and their meaning.
func trialKinds() []struct{ kind, class, says string } {
	return []struct{ kind, class, says string }{
		{"default", "2", "the default program"},
		{"search", "0", "a candidate, on a minibatch"},
		{"race", "1", "a candidate, in a race"},
		{"full", "3", "the best so far, on all rows"},
		{"sample", "0", "a new candidate, on a few rows of the trainset"},
		{"merge", "1", "a merge, on a few rows of the valset"},
	}
}

// newTrialPlot is the plot of scores by trial: a dot for each trial, larger if the trial was
// scored on the largest number of rows, and a line of the best so far.
func newTrialPlot(trials []prompt.ReportTrial) *report.Curve {
	trials = trials[:min(len(trials), maxTrials)]
	var scores, best []report.XY
	most := 0
	var bestSoFar search.BestSoFar
	for i, t := range trials {
		if report.Finite(t.Score) {
			scores = append(scores, report.XY{X: float64(i), Y: t.Score})
			best = append(best, report.XY{X: float64(i), Y: bestSoFar.Add(search.TrialKind(t.Kind), t.Choice, t.Rows, t.Score)})
		}
		most = max(most, t.Rows)
	}
	if len(scores) == 0 {
		return nil
	}
	p := report.NewCurve(report.Plot{
		Title: "Score by trial", Unit: "percent", Along: "trial", Height: report.CurveHigh + 50, Last: float64(len(trials) - 1),
	}, scores, best)
	p.Class = "trials"
	p.AddLine("s4", "the best so far, on the largest number of rows", stepLine(best))
	seen := map[string]bool{}
	for i, t := range trials {
		if !report.Finite(t.Score) {
			continue
		}
		class, kind := "5", report.Clean(t.Kind, report.MaxLabel)
		for _, k := range trialKinds() {
			if k.kind == t.Kind {
				class, kind = k.class, k.says
			}
		}
		d := report.Dot{
			X: report.Percent(p.XAt(float64(i))), Y: p.YAt(t.Score), R: "3.5", Class: "s" + class,
			Name: fmt.Sprintf("trial %s, %s: %s on %s", report.Count(t.Number), kind, percentage(t.Score), report.Plural(t.Rows, "row")),
		}
		if choice := report.Clean(t.Choice, report.MaxName); choice != "" {
			d.Name += ", " + choice
		}
		if t.Rows == most {
			d.R = "5.5"
		}
		p.Dots = append(p.Dots, d)
		if !seen[class] {
			seen[class] = true
			p.Legend = append(p.Legend, report.Key{Class: "dot c" + class, Name: kind})
		}
	}
	p.Label = fmt.Sprintf("%s; the highest score is %s.", report.Plural(len(trials), "trial"), percentage(slices.MaxFunc(scores, func(x, y report.XY) int { return cmp.Compare(x.Y, y.Y) }).Y))
	return p
}

// stepLine is a line with horizontal segments between points.
func stepLine(points []report.XY) []report.XY {
	var out []report.XY
	for i, p := range points {
		if i > 0 && p.Y != points[i-1].Y {
			out = append(out, report.XY{X: p.X, Y: points[i-1].Y})
		}
		out = append(out, p)
	}
	return out
}

// spreadRow is a candidate and the scores of its trials.
type spreadRow struct {
	Choice              string
	Trials, Rows        string
	Low, Mean, High     string
	X, Width, At, Label string
	Won                 bool
}

const maxCandidates = 24

// spreadRows are the candidates, the best mean first. A mean weights each trial by its rows.
// The result counted says why the table counts fewer trials than the search; empty = it counts
// all trials.
func spreadRows(trials []prompt.ReportTrial, won map[string]int, searched int) (rows []spreadRow, omitted int, counted string) {
	type candidate struct {
		choice          string
		trials, rows    int
		low, high, mean float64
	}
	found := map[string]*candidate{}
	var all []*candidate
	for _, t := range trials {
		if !report.Finite(t.Score) || t.Rows <= 0 {
			continue
		}
		c := found[t.Choice]
		if c == nil {
			c = &candidate{choice: t.Choice, low: math.Inf(1), high: math.Inf(-1)}
			found[t.Choice] = c
			all = append(all, c)
		}
		c.mean = (c.mean*float64(c.rows) + t.Score*float64(t.Rows)) / (float64(c.rows) + float64(t.Rows))
		c.trials, c.rows = c.trials+1, c.rows+t.Rows
		c.low, c.high = min(c.low, t.Score), max(c.high, t.Score)
	}
	slices.SortStableFunc(all, func(x, y *candidate) int { return cmp.Compare(y.mean, x.mean) })
	winner, listed := choiceText(won), 0
	for _, c := range all {
		isWinner := c.choice == winner && winner != ""
		if len(rows) >= maxCandidates && !isWinner {
			omitted++
			continue
		}
		listed += c.trials
		low, high := min(1, max(0, c.low/100)), min(1, max(0, c.high/100))
		rows = append(rows, spreadRow{
			Choice: cmp.Or(report.Clean(c.choice, report.MaxName), "default"), Trials: report.Count(c.trials), Rows: report.Count(c.rows), Low: percentage(c.low), Mean: percentage(c.mean), High: percentage(c.high),
			X: report.Percent(low), Width: report.Percent(max(0.004, high-low)), At: report.Percent(min(1, max(0, c.mean/100))), Won: isWinner,
			Label: fmt.Sprintf("between %s and %s, mean %s", percentage(c.low), percentage(c.high), percentage(c.mean)),
		})
	}
	if listed != searched {
		counted = fmt.Sprintf("The table counts %s of the %s: it omits trials without a score and candidates that are not listed. ",
			report.Count(listed), report.Plural(searched, "trial"))
	}
	return rows, omitted, counted
}

// choiceText is the short form of a choice: "0i2 0d1".
func choiceText(choice map[string]int) string {
	var parts []string
	short := strings.NewReplacer("_predictor_instruction", "i", "_predictor_demos", "d")
	for _, name := range slices.Sorted(maps.Keys(choice)) {
		parts = append(parts, fmt.Sprintf("%s%d", short.Replace(name), choice[name]))
	}
	return report.Clean(strings.Join(parts, " "), report.MaxName)
}

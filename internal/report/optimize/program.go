package optimize

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/diff"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	maxInstructions = 20_000 // maximum number of runes shown for one predictor
	maxPredictors   = 64
	maxDemos        = 32
	maxFields       = 24
	maxRowsShown    = 60
)

// predictorView is one predictor before and after the optimization.
type predictorView struct {
	Name          string
	Module        string
	Same          bool // the instructions
	Before, After []piece
	Kept          string // number of demos, before and after
	Demos         []demoView
	MoreDemos     int
}

// piece is a part of a text; it is highlighted if Changed is true.
type piece struct {
	Text    string
	Changed bool
}

type demoView struct {
	New    bool
	Fields []report.Pair
}

func predictorViews(before, after *prompt.Program) (views []predictorView, more int) {
	if after == nil {
		return nil, 0
	}
	old := map[string]*prompt.Predictor{}
	if before != nil {
		for _, p := range before.Predictors {
			old[p.Name] = p
		}
	}
	changes := diff.Programs(before, after)
	for i, p := range after.Predictors {
		if i == maxPredictors {
			return views, len(after.Predictors) - i
		}
		was := old[p.Name]
		if was == nil {
			was = &prompt.Predictor{}
		}
		v := predictorView{Name: report.Clean(p.Name, report.MaxName), Module: report.Clean(string(p.Module), report.MaxLabel)}
		v.Before, v.After, v.Same = instructions(was.Instructions, p.Instructions)
		c := changes[i]
		v.Kept = report.Plural(c.DemosAfter, "demo") + ", before it had " + report.Count(c.DemosBefore)
		fresh := map[*prompt.Object]bool{}
		for _, d := range c.DemosAdded {
			fresh[d] = true
		}
		for j, d := range p.Demos {
			if j == maxDemos {
				v.MoreDemos = len(p.Demos) - j
				break
			}
			v.Demos = append(v.Demos, demoView{New: fresh[d], Fields: fields(d)})
		}
		views = append(views, v)
	}
	return views, 0
}

// instructions cleans two texts before it compares them, so that invisible characters are
// not shown as differences.
func instructions(before, after string) (left, right []piece, same bool) {
	a, b := cleanText(before, maxInstructions), cleanText(after, maxInstructions)
	for _, p := range diff.Words(a, b) {
		if p.Op != diff.Added {
			left = append(left, piece{p.Text, p.Op == diff.Removed})
		}
		if p.Op != diff.Removed {
			right = append(right, piece{p.Text, p.Op == diff.Added})
		}
	}
	return left, right, a == b
}

// cleanText is report.Clean for texts of several lines.
func cleanText(text string, limit int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	empty, size := 0, 0
	var out []string
	for _, line := range lines {
		line = safetext.Clean(line)
		if line == "" {
			if empty++; empty > 1 { // many empty lines would hide the text below
				continue
			}
		} else {
			empty = 0
		}
		out = append(out, line)
		if size += utf8.RuneCountInString(line) + 1; size > limit+1 {
			break
		}
	}
	return safetext.Cut(strings.Join(out, "\n"), limit+1)
}

// fields are the values of an example, a demo or an answer.
func fields(o *prompt.Object) []report.Pair {
	var out []report.Pair
	for i, name := range o.Keys() {
		if i == maxFields {
			out = append(out, report.Pair{Name: "…", Value: "and " + report.Count(o.Len()-i) + " more"})
			break
		}
		v, _ := o.Get(name)
		out = append(out, report.Pair{Name: report.Clean(name, report.MaxName), Value: cmp.Or(report.Clean(python.Str(image.Describe(v)), report.MaxReason), report.Absent)})
	}
	return out
}

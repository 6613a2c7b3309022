package train

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/summary"
)

// dataView describes the dataset.
type dataView struct {
	Facts    []report.Pair
	Lengths  []lengthBar
	Exact    bool   // counted by the tokenizer, not estimated
	Limit    string // position of max_seq_length; empty = beyond the plot
	LimitAt  string // its value
	Height   int
	Dropped  []report.Pair
	Problems []problemRow
	More     int // problems that are not listed
	Advice   []string
}

type lengthBar struct {
	Y, TextY           int
	Width, Name, Value string
	Over               bool // longer than max_seq_length
}

type problemRow struct{ Tone, Severity, Where, Reason, Fix string }

const (
	maxProblems = 15
	lengthStep  = 24
)

func newDataView(r summary.Run) *dataView {
	t, d := r.Check.Train, r.Adapter.Outcome.Data
	if t.Rows == 0 && d == nil {
		return nil
	}
	v := &dataView{}
	lengths := t.Tokens
	held := r.Check.HeldOut
	if r.Check.Eval != nil {
		held = r.Check.Eval.Kept
	}
	kept := max(0, t.Kept-r.Check.HeldOut-t.NoRoom)
	truncated, noRoom, total := t.Truncated, t.NoRoom, ""
	if d == nil {
		d = r.Check.Measured
	}
	if d != nil {
		v.Exact = true
		lengths = dataset.Spread{P50: d.P50, P90: d.P90, P99: d.P99, Max: d.Max}
		kept, held, truncated, noRoom = max(0, d.Rows-d.Dropped), max(0, d.EvalRows-d.EvalDropped), d.Truncated, d.Dropped
		if r.Check.Eval == nil { // of the same file
			noRoom += d.EvalDropped
		}
		total = large(d.Tokens)
	}
	heldTooLong := 0
	if d != nil && r.Check.Eval != nil {
		heldTooLong = d.EvalDropped
	}
	// Rows that no other line counts, such as rows of a file with a separate evaluation dataset.
	other := max(0, t.Rows-kept-t.Dropped-noRoom)
	if r.Check.Eval == nil {
		other = max(0, other-held)
	}
	v.Facts = report.Known([]report.Pair{
		{Name: "Dataset", Value: report.Place(t.Name)},
		{Name: "Form", Value: report.Clean(strings.Trim(string(t.Format)+", "+t.Container, ", "), report.MaxName)},
		{Name: "Rows in the file", Value: nonzero(t.Rows)},
		{Name: "Trained on", Value: report.Count(kept)},
		{Name: "Held out", Value: report.Count(held)},
		{Name: "Tokens per epoch", Value: total},
		{Name: "Dropped", Value: report.Count(t.Dropped)},
		{Name: unusedName(r.Adapter.Spec.Method), Value: nonzero(noRoom)},
		{Name: "Held out, but too long for an answer", Value: nonzero(heldTooLong)},
		{Name: "Not used", Value: nonzero(other)},
		{Name: "Cut to max_seq_length", Value: report.Count(truncated)},
		{Name: "Duplicates", Value: report.Count(t.Duplicates)},
		{Name: "Repeated prompts", Value: nonzero(t.RepeatedPrompts)},
	})
	v.layLengths(lengths, r.Adapter.Spec.Config.MaxSeqLength)
	for _, code := range slices.Sorted(maps.Keys(t.DroppedBy)) {
		v.Dropped = append(v.Dropped, report.Pair{Name: report.Clean(code, 2*report.MaxLabel), Value: report.Plural(t.DroppedBy[code], "row")})
	}
	v.Dropped = v.Dropped[:min(len(v.Dropped), maxProblems)]
	v.problems(r.Check)
	return v
}

// unusedName is the reason why the trainer did not use some rows.
func unusedName(m training.Method) string {
	if m == training.Embedding {
		return "In no batch of the first epoch"
	}
	return "Too long for an answer"
}

func nonzero(n int) string {
	if n == 0 {
		return ""
	}
	return report.Count(n)
}

// layLengths draws the lengths of rows as bars from 0 to the longest.
func (v *dataView) layLengths(s dataset.Spread, limit int) {
	if s.Max <= 0 {
		return
	}
	end := float64(max(s.Max, s.P50, s.P90, s.P99))
	for i, b := range []struct {
		name string
		n    int
	}{{"half are at most", s.P50}, {"90 % are at most", s.P90}, {"99 % are at most", s.P99}, {"the longest", s.Max}} {
		v.Lengths = append(v.Lengths, lengthBar{
			Y: i * lengthStep, TextY: i*lengthStep + 13, Width: report.Percent(report.Unit(float64(b.n) / end)),
			Name: b.name, Value: report.Count(b.n), Over: limit > 0 && b.n > limit,
		})
	}
	v.Height = len(v.Lengths) * lengthStep
	if limit > 0 {
		v.LimitAt = report.Count(limit)
		if at := float64(limit) / end; at <= 1 {
			v.Limit = report.Percent(at)
		}
	}
}

func (v *dataView) problems(c dataset.Check) {
	for _, p := range c.Problems[:min(len(c.Problems), maxProblems)] {
		tone := map[dataset.Severity]string{dataset.SeverityError: "bad", dataset.SeverityWarning: "warn"}[p.Severity]
		where := ""
		if p.Line > 0 {
			where = fmt.Sprintf("line %s", report.Count(p.Line))
		}
		if p.Field != "" {
			where = strings.TrimPrefix(where+", "+p.Field, ", ")
		}
		v.Problems = append(v.Problems, problemRow{
			Tone: cmp.Or(tone, "calm"), Severity: report.Clean(string(p.Severity), report.MaxLabel), Where: report.Clean(where, report.MaxName),
			Reason: report.Clean(p.Reason, report.MaxCaption), Fix: report.Clean(p.Fix, report.MaxCaption),
		})
	}
	all := 0
	for _, n := range c.Counts {
		all += max(0, n)
	}
	v.More = max(0, all-len(v.Problems))
	for _, text := range c.Suggestions[:min(len(c.Suggestions), maxProblems)] {
		v.Advice = append(v.Advice, report.Clean(text, report.MaxReason))
	}
}

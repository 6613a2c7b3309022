package dataset

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/training/rows"
)

// problemLog collects problems: the first errors, the first warning of each kind, and the
// number of all.
type problemLog struct {
	fatals []Problem
	drops  []Problem
	notes  []*notedProblem
	counts map[string]int
	listed map[string]int // number of listed errors of rows, by file
}

// notedProblem is a warning and the number of rows that gave it.
type notedProblem struct {
	Problem
	rows   int
	places []place // of the first such rows, in the order of the file
}

// maxNoted is the maximum number of lines that a warning names.
const maxNoted = 8

func (n *notedProblem) add(at place) {
	n.rows++
	if len(n.places) < maxNoted && !slices.Contains(n.places, at) {
		n.places = append(n.places, at)
	}
}

// where lists the lines of a warning, or the rows if several are on a line.
func (n *notedProblem) where() string {
	if len(n.places) < 2 {
		return fmt.Sprintf("(%d such rows)", n.rows)
	}
	var lines, rows []int
	for _, p := range n.places {
		lines, rows = append(lines, int(p.line)), append(rows, int(p.row))
	}
	what, numbers := "lines", lines
	if len(slices.Compact(slices.Clone(lines))) < len(lines) {
		what, numbers = "rows", rows
	}
	return suchRows(n.rows, what, numbers)
}

// suchRows names some of the rows of a problem.
func suchRows(n int, what string, numbers []int) string {
	var all []string
	for _, number := range numbers {
		all = append(all, strconv.Itoa(number))
	}
	if n > len(numbers) {
		all = append(all, "…")
	}
	return fmt.Sprintf("(%d such rows: %s %s)", n, what, strings.Join(all, ", "))
}

// maxNotes is the maximum number of kinds of warnings.
const maxNotes = 20

func (l *problemLog) count(code string) {
	if l.counts == nil {
		l.counts = map[string]int{}
	}
	l.counts[code]++
}

func problemOf(file string, f *rows.RowError, raw rows.RawRow) Problem {
	return Problem{SeverityError, f.Code, file, raw.Line, raw.Row, f.Field, f.Reason, f.Fix}
}

// fatal records a problem of a whole file.
func (l *problemLog) fatal(file string, f *rows.RowError) {
	l.count(f.Code)
	l.fatals = append(l.fatals, problemOf(file, f, rows.RawRow{Line: f.Line, Row: f.Row}))
}

// drop records a problem of a row that is left out.
func (l *problemLog) drop(file string, f *rows.RowError, raw rows.RawRow) {
	l.count(f.Code)
	if l.listed == nil {
		l.listed = map[string]int{}
	}
	if l.listed[file]++; l.listed[file] <= maxProblems {
		l.drops = append(l.drops, problemOf(file, f, raw))
	}
}

// note records a warning about a row that is kept.
func (l *problemLog) note(file string, f rows.RowError, raw rows.RawRow) {
	l.count(f.Code)
	for _, n := range l.notes {
		if n.Code == f.Code && n.File == file && (n.Field == f.Field || len(l.notes) >= maxNotes) {
			n.add(placeOf(raw))
			return
		}
	}
	if len(l.notes) > maxNotes {
		return
	}
	p := problemOf(file, &f, raw)
	p.Severity = SeverityWarning
	l.notes = append(l.notes, &notedProblem{p, 1, []place{placeOf(raw)}})
}

// say records a problem of the whole dataset.
func (l *problemLog) say(severity Severity, file, code, reason, fix string) {
	l.count(code)
	p := Problem{Severity: severity, Code: code, File: file, Reason: reason, Fix: fix}
	if severity == SeverityError {
		l.fatals = append(l.fatals, p)
		return
	}
	l.notes = append(l.notes, &notedProblem{Problem: p, rows: 1})
}

// allow turns the errors of a file's tolerated rows into warnings.
func (l *problemLog) allow(file string) {
	for i := range l.drops {
		if l.drops[i].File == file {
			l.drops[i].Severity = SeverityWarning
		}
	}
}

// list returns the problems, the most severe first. Rows leave room for the rest.
func (l *problemLog) list() []Problem {
	all := slices.Clone(l.fatals)
	for _, n := range l.notes {
		if n.rows > 1 {
			n.Reason = n.Reason + " " + n.where()
		}
		all = append(all, n.Problem)
	}
	room := max(maxProblems-len(all), maxProblems/2)
	all = append(all, l.drops[:min(room, len(l.drops))]...)
	slices.SortStableFunc(all, func(a, b Problem) int { return cmp.Compare(rankOf(a.Severity), rankOf(b.Severity)) })
	return all[:min(len(all), maxProblems)]
}

// rankOf sorts problems, the most severe first.
func rankOf(s Severity) int {
	return slices.Index([]Severity{SeverityError, SeverityWarning, SeverityInfo}, s)
}

package dataset

import (
	"cmp"
	"slices"
)

// Lines tells in which line of the dataset's file a canonical row begins, or which row of a
// JSON array or of a Parquet file it is. Most rows follow
// each other at one distance, so a few runs describe a file of any size.
type Lines []LineRun

// LineRun is a run of rows at one distance.
type LineRun struct {
	Row  int `json:"row"`  // first row of the run, from 1
	Line int `json:"line"` // line of that row
	Step int `json:"step"` // lines from one row to the next
}

// maxLineRuns bounds Lines. Up to 500 rows are held out, each of which ends a run.
const maxLineRuns = 1200

// lineWriter collects Lines.
type lineWriter struct {
	lines Lines
	rows  int
	last  int // line of the last row
	lost  bool
}

// add takes the line of the next row.
func (w *lineWriter) add(line int) {
	w.rows++
	step := line - w.last
	w.last = line
	if w.lost {
		return
	}
	if n := len(w.lines); n > 0 {
		run := &w.lines[n-1]
		if w.rows == run.Row+1 && (run.Step == 0 || run.Step == step) {
			run.Step = step
			return
		}
		if run.Step == step {
			return
		}
	}
	if len(w.lines) == maxLineRuns {
		w.lines, w.lost = nil, true
		return
	}
	w.lines = append(w.lines, LineRun{Row: w.rows, Line: line})
}

// Of returns the line of a row; 0 if it is not known.
func (l Lines) Of(row int) int {
	i, found := slices.BinarySearchFunc(l, row, func(r LineRun, row int) int { return cmp.Compare(r.Row, row) })
	if !found {
		i--
	}
	if i < 0 {
		return 0
	}
	return l[i].Line + l[i].Step*(row-l[i].Row)
}

package dataset

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// Find adds what the model's tokenizer and chat template showed about the rows. Rows that
// cannot be trained on count against allowDropped, together with those that were left out.
// The error is that of Err.
func (c *Check) Find(found []training.Finding, allowDropped float64) error {
	errors := map[string]int{}
	for _, f := range found {
		if f.Severity == training.FindingError {
			errors[c.fileOf(f)] += f.Count
		}
	}
	for _, f := range found {
		file := c.fileOf(f)
		p := Problem{Severity: SeverityWarning, Code: safetext.Line(f.Code, maxNameBytes), File: file, Field: safetext.Line(f.Field, maxNameBytes),
			Reason: safetext.Line(f.Reason, safetext.MaxReason), Fix: safetext.Line(f.Fix, safetext.MaxReason)}
		c.locate(&p, f)
		if f.Severity == training.FindingError && errors[file] > c.mayDrop(file, allowDropped) {
			p.Severity = SeverityError
			c.Errors += max(1, f.Count)
			c.OK = false
		}
		c.Counts[p.Code] += max(1, f.Count)
		c.Problems = append(c.Problems, p)
	}
	slices.SortStableFunc(c.Problems, func(a, b Problem) int { return cmp.Compare(rankOf(a.Severity), rankOf(b.Severity)) })
	c.Problems = c.Problems[:min(len(c.Problems), maxProblems)]
	return c.Err()
}

// maxNameBytes is the maximum length of a name that a trainer reports.
const maxNameBytes = 80

// fileOf is the file of a finding: held-out rows without an evaluation dataset are of the
// training file.
func (c *Check) fileOf(f training.Finding) string {
	if f.File == training.FindingEval && c.Eval != nil {
		return c.Eval.Name
	}
	return c.Train.Name
}

// mayDrop is how many further rows of a file allowDropped permits.
func (c *Check) mayDrop(file string, allowDropped float64) int {
	s := c.Train
	if c.Eval != nil && file == c.Eval.Name && file != c.Train.Name {
		s = *c.Eval
	}
	allowed := allowDropped
	if allowed < 1 {
		allowed = math.Floor(allowed * float64(s.Rows))
	}
	return max(0, int(allowed)-s.Dropped)
}

// locate names the lines of a finding, or the rows that the trainer counts if the lines are
// not known.
func (c *Check) locate(p *Problem, f training.Finding) {
	if len(f.Rows) == 0 {
		return
	}
	lines, what := c.TrainLines, "training rows"
	if f.File == training.FindingEval {
		lines, what = c.EvalLines, "held-out rows"
	}
	numbers := f.Rows
	if len(lines) > 0 {
		numbers, what = nil, "lines"
		for _, row := range f.Rows {
			numbers = append(numbers, lines.Of(row))
		}
		p.Line = numbers[0]
		if f.Count == 1 {
			return
		}
	}
	var all []string
	for _, n := range numbers {
		all = append(all, strconv.Itoa(n))
	}
	if f.Count > len(numbers) {
		all = append(all, "…")
	}
	p.Reason += fmt.Sprintf(" (%d such rows: %s %s)", f.Count, what, strings.Join(all, ", "))
}

package dataset

import (
	"cmp"
	"math"
	"slices"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// Find adds what the model's tokenizer and chat template showed about the rows, in place of
// what was guessed without them. Rows that cannot be trained on count against allowDropped,
// together with those that were left out. The error is that of Err.
func (c *Check) Find(found []training.Finding, allowDropped float64) error {
	c.forget(found)
	errors := map[string]int{}
	for _, f := range found {
		if f.Severity == training.FindingError {
			errors[c.fileOf(f)] += f.Count
		}
	}
	for _, f := range found {
		file := c.fileOf(f)
		p := Problem{
			Severity: SeverityWarning, Code: safetext.Line(f.Code, maxNameBytes), File: file, Field: safetext.Line(f.Field, maxNameBytes),
			Reason: safetext.Line(f.Reason, safetext.MaxReason), Fix: safetext.Line(f.Fix, safetext.MaxReason),
		}
		c.locate(&p, f)
		if f.Severity == training.FindingError && (f.Code == training.FindingRefused || errors[file] > c.mayDrop(file, allowDropped)) {
			p.Severity = SeverityError
			c.Errors++
			c.OK = false
		}
		c.Counts[p.Code] += max(1, f.Count)
		c.Problems = append(c.Problems, p)
	}
	slices.SortStableFunc(c.Problems, func(a, b Problem) int { return cmp.Compare(rankOf(a.Severity), rankOf(b.Severity)) })
	c.Problems = c.Problems[:min(len(c.Problems), maxProblems)]
	return c.Err()
}

// forget removes the problems that the findings replace.
func (c *Check) forget(found []training.Finding) {
	var codes []string
	if c.Measured != nil {
		codes = append(codes, codeSpecial, codeDoubleBegin, codeDoubleEnd, codeEarlierThinking)
	}
	if slices.ContainsFunc(found, func(f training.Finding) bool { return f.Code == training.FindingNothing }) {
		codes = append(codes, codeNoRoom)
	}
	c.Problems = slices.DeleteFunc(c.Problems, func(p Problem) bool { return slices.Contains(codes, p.Code) })
	for _, code := range codes {
		delete(c.Counts, code)
	}
}

// What package rows guesses by the control tokens of widespread models.
const (
	codeSpecial         = "special_token"
	codeDoubleBegin     = "double_begin"
	codeDoubleEnd       = "double_end"
	codeEarlierThinking = "earlier_thinking"
)

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

// locate names the lines of a finding; the rows of a file that counts them; or the rows that the trainer
// counts, if the place in the file is not known.
func (c *Check) locate(p *Problem, f training.Finding) {
	if len(f.Rows) == 0 {
		return
	}
	from, lines, what := c.Train, c.TrainLines, "training rows"
	if f.File == training.FindingEval {
		lines, what = c.EvalLines, "held-out rows"
		if c.Eval != nil {
			from = *c.Eval
		}
	}
	numbers := f.Rows
	if len(lines) > 0 {
		numbers = nil
		for _, row := range f.Rows {
			numbers = append(numbers, lines.Of(row))
		}
		if what = "lines"; rows.ByRow(from.Container) {
			what, p.Row = "rows", numbers[0]
		} else {
			p.Line = numbers[0]
		}
		if f.Count == 1 {
			return
		}
	}
	p.Reason += " " + suchRows(f.Count, what, numbers)
}

package dataset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/training"
)

const (
	codeTruncation = "truncation"
	codeNoRoom     = "no_room"

	codeCut          = "cut"
	codeAnswerCut    = "answer_cut"
	codeSameAfterCut = "same_after_cut"

	lengthAdvice = "--set max_seq_length="
)

// templated reports whether a chat template writes the rows. What it adds to a conversation
// depends on the model: 10 tokens or 300.
func (s Survey) templated() bool { return len(s.Roles) > 0 }

// Measure replaces all estimates of lengths by the counts of the model's tokenizer and chat
// template under these settings.
func (c *Check) Measure(d training.DataStats, settings training.Config) {
	limit := settings.MaxSeqLength
	c.Measured = &d
	c.Suggestions = slices.DeleteFunc(c.Suggestions, func(s string) bool { return strings.HasPrefix(s, lengthAdvice) })
	c.Problems = slices.DeleteFunc(c.Problems, func(p Problem) bool {
		estimated := slices.Contains([]string{codeTruncation, codeNoRoom, codeCut, codeAnswerCut, codeSameAfterCut}, p.Code)
		if estimated {
			delete(c.Counts, p.Code)
		}
		return estimated
	})
	warn := func(code, reason, fix string, n int) {
		c.Problems = append(c.Problems, Problem{Severity: SeverityWarning, Code: code, File: c.Train.Name, Reason: reason, Fix: fix})
		c.Counts[code] = n
	}
	if d.Dropped > 0 {
		warn(codeNoRoom, fmt.Sprintf("%d of %d rows have no part of an answer within %d tokens and are left out", d.Dropped, d.Rows, limit),
			"shorten their prompts, or raise max_seq_length", d.Dropped)
	}
	if 10*d.Truncated > d.Rows {
		reason, fix := fmt.Sprintf("%d of %d rows are longer than %d tokens and are cut off", d.Truncated, d.Rows, limit),
			fmt.Sprintf("set max_seq_length to %d, or split long rows", roundUp(d.P99))
		if settings.MaxPromptLength > 0 && d.P99 <= limit {
			reason = fmt.Sprintf("%d of %d rows lose the beginning of a prompt of more than %d tokens, or the end of a row of more than %d",
				d.Truncated, d.Rows, settings.MaxPromptLength, limit)
			fix = "raise max_prompt_length, or shorten the prompts"
		}
		warn(codeTruncation, reason, fix, 1)
	}
	c.Suggestions = append(advise(d, limit), c.Suggestions...)
}

// advise suggests another max_seq_length, from lengths that are those of training.
func advise(d training.DataStats, limit int) (list []string) {
	if 10*d.Truncated > d.Rows && d.P99 > limit {
		list = append(list, fmt.Sprintf(lengthAdvice+"%d would cut off about 1 row of 100 (longest: about %d tokens).", roundUp(d.P99), d.Max))
	}
	if enough := max(roundUp(d.Max*5/4), 128); limit >= 2*enough && d.Rows >= minSplitRows {
		list = append(list, fmt.Sprintf(lengthAdvice+"%d would be enough and take less memory: the longest row has about %d tokens.", enough, d.Max))
	}
	return list
}

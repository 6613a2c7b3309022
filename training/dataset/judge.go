package dataset

import (
	"fmt"
	"math"
	"strings"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// judge makes the report and the verdict.
func (p *preparation) judge() {
	p.dropped(p.train)
	if p.eval != nil {
		p.dropped(p.eval)
	}
	p.method()
	p.split()
	p.ratings()
	p.size()
	p.check.Train = p.train.survey
	if p.eval != nil {
		p.check.Eval = &p.eval.survey
	}
	p.check.Errors += len(p.log.fatals)
	p.check.OK = p.check.Errors == 0
	p.check.Problems, p.check.Counts = p.log.list(), p.log.counts
	if p.check.Counts == nil {
		p.check.Counts = map[string]int{}
	}
	p.check.Suggestions = append([]string{}, p.suggestions()...)
}

// dropped compares the rows with errors with the allowed number.
func (p *preparation) dropped(s *surveyor) {
	n, rows, allowed := s.survey.Dropped, s.survey.Rows, int(p.o.AllowDropped)
	if p.o.AllowDropped < 1 {
		allowed = int(math.Floor(p.o.AllowDropped * float64(rows)))
	}
	s.mayDrop = max(0, allowed-n)
	switch {
	case n > allowed:
		p.check.Errors += n
		if p.o.AllowDropped > 0 {
			p.log.say(SeverityError, s.survey.Name, "too_many_dropped",
				fmt.Sprintf("%d of %d rows have errors, %d may be left out", n, rows, allowed), "correct them, or allow more")
		}
		return
	case n > 0:
		p.log.allow(s.survey.Name)
		p.log.say(SeverityInfo, s.survey.Name, "dropped", fmt.Sprintf("%d of %d rows with errors are left out, as allowed", n, rows), "")
	}
	if s.survey.Kept == 0 && len(p.log.fatals) == 0 {
		p.log.say(SeverityError, s.survey.Name, "no_rows", "no row is left to use", "")
	}
}

// method determines the method of the rows.
func (p *preparation) method() {
	s := &p.train.survey
	method := fits(s.Format, p.o.Method)
	if method == "" {
		return // reported already
	}
	if p.o.Method != "" && p.o.Method != method {
		p.log.say(SeverityError, s.Name, "wrong_method", fmt.Sprintf("rows of the format %s train with %s, not with %s", s.Format, method, p.o.Method), rework(method, p.o.Method))
		return
	}
	p.check.Method = method
	if e := p.eval; e != nil && e.survey.Format.Method() != "" {
		switch {
		case fits(e.survey.Format, p.o.Method) != method:
			p.log.say(SeverityError, e.survey.Name, "wrong_method", fmt.Sprintf("its rows (%s) serve %s, those that are trained on %s", e.survey.Format, e.survey.Format.Method(), method), "evaluate with rows of the same kind")
		case e.shape != p.train.shape && e.shape != "" && p.train.shape != "":
			p.log.say(SeverityError, e.survey.Name, "mixed_format", fmt.Sprintf("its rows become {%s}, those that are trained on {%s}", e.shape, p.train.shape), "use one format for both files")
		}
	}
	if p.o.Method != "" || len(p.log.fatals) > 0 {
		return
	}
	var counts Counts
	switch method {
	case training.DPO:
		counts.Pairs = s.Kept
	case training.KTO:
		counts.Rated = s.Kept
	case training.Embedding:
		counts.Triplets = s.Kept
	default:
		counts.Examples = s.Kept
	}
	choice, err := Choose(counts, p.o.Thresholds)
	if err != nil {
		if p.check.Errors == 0 {
			p.log.say(SeverityError, s.Name, "too_few_rows", reasonOf(err), "")
		}
		return
	}
	p.check.Choice = &choice
}

// rework says how to change rows of one method for another.
func rework(have, want training.Method) string {
	switch {
	case have == training.DPO && want == training.SFT:
		return `train with dpo, or write {"prompt", "completion"} with what was chosen as completion`
	case have == training.DPO && want == training.Embedding:
		return `write {"anchor", "positive", "negative"} with the prompt, what was chosen and what was rejected`
	case have == training.KTO && want == training.DPO:
		return `train with kto, or write a good and a bad answer to each prompt: {"prompt", "chosen", "rejected"}`
	case have == training.SFT && want == training.KTO:
		return `train with sft, or rate each answer with "label": true or false`
	case have == training.SFT && want == training.DPO:
		return `train with sft, or add a worse answer to each row: {"prompt", "chosen", "rejected"}`
	case have == training.SFT && want == training.Embedding:
		return `write {"anchor", "positive"[, "negative"]}`
	default:
		return "train with " + string(have)
	}
}

// split decides which rows are held out.
func (p *preparation) split() {
	if p.eval != nil || p.check.Errors > 0 || len(p.log.fatals) > 0 || p.o.ValidationShare < 0 {
		return
	}
	p.held, p.check.HeldOut = Split(p.train.questions, p.o.ValidationShare, p.o.Seed)
	if p.check.HeldOut == 0 {
		p.log.say(SeverityInfo, p.o.Name, "no_evaluation", fmt.Sprintf("no rows are held out: %d rows are too few, or too similar", p.train.survey.Kept), "give an evaluation dataset")
	}
}

// size warns of too few rows and of truncation.
func (p *preparation) size() {
	s := p.train.survey
	if s.Kept == 0 {
		return
	}
	if least := p.o.Thresholds.of(p.check.Method); p.check.Choice == nil && s.Kept < least && p.check.Method != "" {
		reason := fmt.Sprintf("%d rows are few for %s; %d are recommended", s.Kept, p.check.Method, least)
		if s.Kept == 1 {
			reason = "there is only one row: the model will learn it by heart"
		}
		p.log.say(SeverityWarning, s.Name, "few_rows", reason, "add rows")
	}
	if 10*s.Truncated > s.Kept {
		reason, fix := "about", fmt.Sprintf("set max_seq_length to %d, or split long rows", roundUp(s.Tokens.P99))
		if s.templated() {
			reason, fix = "at least", "raise max_seq_length, or split long rows; a dry run measures what the chat template adds"
		}
		p.log.say(SeverityWarning, s.Name, codeTruncation, fmt.Sprintf("%s %d of %d rows are longer than %d tokens and are cut off", reason, s.Truncated, s.Kept, p.o.MaxSeqLength), fix)
	}
}

// roundUp rounds a sequence length up to a multiple of 64.
func roundUp(tokens int) int { return (tokens + 63) / 64 * 64 }

// suggestions are improvements of the whole dataset.
func (p *preparation) suggestions() (list []string) {
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	s, limit := p.train.survey, p.o.MaxSeqLength
	if s.Kept == 0 {
		return nil
	}
	if !s.templated() {
		list = advise(training.DataStats{Rows: s.Kept, Truncated: s.Truncated, P99: s.Tokens.P99, Max: s.Tokens.Max}, limit)
	}
	if s.Duplicates > 0 {
		add("Remove the duplicates (%d): the model would see them more often than other rows.", s.Duplicates)
	}
	answers := 0
	for turns, n := range s.Turns {
		if turns > 1 {
			answers += n
		}
	}
	if s.Format.Method() == training.SFT && 2*answers > s.Kept {
		add("Most conversations have several turns: --set assistant_only_loss=true learns only what the assistant says.")
	}
	if s.Format == rows.FormatText {
		add(`Texts are learned whole. Write {"prompt", "completion"} to learn only the answers.`)
	}
	if s.Format == rows.FormatPair {
		add(`Rows without "negative" need --set loss=mnr.`)
	}
	if p.eval == nil && p.check.HeldOut > 0 && p.check.HeldOut < 20 {
		add("%d held-out rows tell little: an evaluation dataset of 50 rows or more makes a verdict possible.", p.check.HeldOut)
	}
	return list
}

// reasonOf is an error without its prefix.
func reasonOf(err error) string {
	_, reason, found := strings.Cut(err.Error(), ": ")
	if !found {
		return err.Error()
	}
	return reason
}

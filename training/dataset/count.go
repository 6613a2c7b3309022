package dataset

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/training/rows"
)

// count adds a valid row to the survey.
func (s *surveyor) count(row rows.Row, raw rows.RawRow) error {
	s.survey.Kept++
	s.survey.Images += len(row.ImagesOf())
	text, err := row.AppendJSON(nil)
	if err != nil {
		return err
	}
	question := rows.Digest([]byte(rows.Normal(row.Question())))
	same := rows.Digest(text)
	first, again := s.lines[same]
	switch {
	case again:
		s.survey.Duplicates++
		s.log.note(s.survey.Name, rows.RowError{Code: "duplicate_row", Reason: "the row equals " + s.where(first), Fix: "remove it, unless it should count twice"}, raw)
	default:
		at := placeOf(raw)
		if s.lines[same] = at.line; rows.ByRow(s.survey.Container) {
			s.lines[same] = at.row
		}
		if s.questions[question] > 0 {
			s.survey.RepeatedPrompts++
		}
	}
	s.questions[question]++
	if s.against != nil && s.against.questions[question] > 0 {
		s.survey.Leaks++
		s.log.note(s.survey.Name, rows.RowError{Code: "leak_prompt", Reason: "its prompt is trained on, too", Fix: "remove it from one of the two"}, raw)
	}
	if echoes(row) {
		s.log.note(s.survey.Name, rows.RowError{Code: "echo", Field: rows.KeyCompletion, Reason: "the answer repeats the prompt", Fix: "give an answer, unless the model should learn to repeat"}, raw)
	}
	s.contradictions(row, raw)
	s.rate(row, raw, question)
	s.measure(row, raw)
	return nil
}

// measure adds the lengths and the turns of a row to the survey.
func (s *surveyor) measure(row rows.Row, raw rows.RawRow) {
	l := lengthOf(row)
	s.chars = append(s.chars, uint32(l.chars))
	s.tokens = append(s.tokens, uint32(l.tokens))
	if limit := s.o.MaxSeqLength; limit > 0 {
		if l.tokens > limit {
			s.survey.Truncated++
		}
		switch key, at := differs(row, l, limit); {
		case key != "":
			s.log.note(s.survey.Name, rows.RowError{Code: codeSameAfterCut, Field: key, Reason: fmt.Sprintf("two texts of the row differ only behind about %d tokens, of %d: nothing is left to learn", at, limit), Fix: "shorten what they have in common, or raise max_seq_length"}, raw)
		case l.prompt < limit && l.tokens > limit:
			s.log.note(s.survey.Name, rows.RowError{Code: codeCut, Reason: fmt.Sprintf("the row has about %d tokens, of %d: its end is cut off", l.tokens, limit), Fix: "shorten it, or raise max_seq_length"}, raw)
		case l.prompt < limit:
		case l.first < limit:
			s.log.note(s.survey.Name, rows.RowError{Code: codeAnswerCut, Field: rows.KeyMessages, Reason: fmt.Sprintf("the conversation has about %d tokens before its last answer, of %d: this answer is cut off", l.prompt, limit), Fix: "split it, or raise max_seq_length"}, raw)
		default:
			s.survey.NoRoom++
			s.log.note(s.survey.Name, rows.RowError{Code: codeNoRoom, Reason: fmt.Sprintf("the prompt alone has about %d tokens of %d: no part of the answer is left", l.prompt, limit), Fix: "shorten it, or raise max_seq_length"}, raw)
		}
	}
	if l.tokens > longRow && l.tokens > 8*s.o.MaxSeqLength {
		s.log.note(s.survey.Name, rows.RowError{Code: "long_row", Reason: fmt.Sprintf("the row has about %d tokens", l.tokens), Fix: "split it: the end of a long row is cut off"}, raw)
	}
	for _, p := range row.Parts {
		answers := 0
		for _, m := range p.Messages {
			s.survey.Roles[m.Role]++
			if m.Role == rows.RoleAssistant {
				answers++
			}
		}
		if p.Messages != nil && p.Key != rows.KeyChosen && p.Key != rows.KeyRejected && p.Key != rows.KeyCompletion {
			if p.Key == rows.KeyPrompt {
				answers++ // the answer in another field
			}
			s.survey.Turns[answers]++
		}
	}
}

func (s *surveyor) finish() {
	s.survey.Characters, s.survey.Tokens = spreadOf(s.chars), spreadOf(s.tokens)
	s.chars, s.tokens = nil, nil
}

// spreadOf sorts lengths and takes the nearest ranks.
func spreadOf(lengths []uint32) (s Spread) {
	if len(lengths) == 0 {
		return s
	}
	slices.SortFunc(lengths, cmp.Compare[uint32])
	rank := func(percent int) int { return int(lengths[(len(lengths)*percent+99)/100-1]) }
	for _, n := range lengths {
		s.Total += int64(n)
	}
	s.P50, s.P90, s.P99, s.Max = rank(50), rank(90), rank(99), rank(100)
	return s
}

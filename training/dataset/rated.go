package dataset

import (
	"fmt"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// fits is the method that rows of a format train. Pairs also train with kto: each becomes two
// rated answers.
func fits(format rows.Format, want training.Method) training.Method {
	if want == training.KTO && format.Method() == training.DPO {
		return training.KTO
	}
	return format.Method()
}

// rate counts the rating of a row, and notes that an equal answer to an equal prompt has the
// opposite one.
func (s *surveyor) rate(row rows.Row, raw rows.RawRow, question uint64) {
	good, rated := row.Rating()
	if !rated {
		return
	}
	mine, others := s.answers.preferred, s.answers.rejected
	if good {
		s.survey.Good++
		s.good[question]++
	} else {
		s.survey.Bad++
		mine, others = others, mine
	}
	answer, _ := row.Part(rows.KeyCompletion)
	digest := digestOf(row.Parts[0], answer)
	at := placeOf(raw)
	if earlier, found := others[digest]; found {
		s.log.note(s.survey.Name, rows.RowError{
			Code: "contradiction", Field: rows.KeyLabel, Reason: s.name(earlier) + " rates the same answer to the same prompt the other way",
			Fix: "remove one of the two",
		}, raw)
	}
	if _, have := mine[digest]; !have {
		mine[digest] = at
	}
}

// ratings judges how many rows are rated good and bad, on both sides of the split.
func (p *preparation) ratings() {
	if p.check.Method != training.KTO || p.train.survey.Kept == 0 {
		return
	}
	s := p.train.survey
	heldGood, heldBad := 0, 0
	for question := range p.held {
		heldGood += int(p.train.good[question])
		heldBad += int(p.train.questions[question] - p.train.good[question])
	}
	good, bad := s.Good-heldGood, s.Bad-heldBad
	name, heldOf := s.Name, "held-out rows"
	if p.eval != nil {
		name, heldOf = p.eval.survey.Name, "rows"
		heldGood, heldBad = p.eval.survey.Good, p.eval.survey.Bad
	}
	switch {
	case s.Bad == 0:
		p.log.say(SeverityError, s.Name, codeOneRating, "all rows are rated good, so nothing tells good answers from bad ones", "add rows that are rated bad, or remove label and train with sft")
	case s.Good == 0:
		p.log.say(SeverityError, s.Name, codeOneRating, "all rows are rated bad, so no answer is shown that is good", "add rows that are rated good")
	case good == 0 || bad == 0:
		p.log.say(SeverityError, s.Name, codeOneRating, fmt.Sprintf("of the rows to train on %d are rated good and %d bad; the others are held out", good, bad), "add rows, or give an evaluation dataset")
	default:
		p.balance(good, bad)
	}
	if n := heldGood + heldBad; n > 0 && (heldGood == 0 || heldBad == 0) && s.Good > 0 && s.Bad > 0 {
		p.log.say(SeverityWarning, name, "one_rating_held_out", fmt.Sprintf("all %d %s have one rating: the adapter gets no verdict", n, heldOf), "evaluate with rows of both ratings")
	}
}

const codeOneRating = "one_rating"

// mostWeight is how much more than bad rows all good rows together may weigh: up to a third, by
// equation 8 of the KTO paper. TRL warns outside of 1 to this.
const mostWeight = 4.0 / 3

// balance advises weights for unequal numbers of good and bad rows.
func (p *preparation) balance(good, bad int) {
	desirable, undesirable := p.o.weights()
	d, u := float64(good)*desirable, float64(bad)*undesirable
	if ratio := d / u; good == bad && desirable == undesirable || ratio >= 1 && ratio <= mostWeight {
		return
	}
	p.log.say(SeverityWarning, p.train.survey.Name, "imbalance",
		fmt.Sprintf("%d rows are rated good and %d bad: with the weights %.3g and %.3g good rows count %.2f times as much as bad ones; 1 to 1.33 is advised", good, bad, desirable, undesirable, d/u),
		fmt.Sprintf("set desirable_weight between %.3g and %.3g, or undesirable_weight between %.3g and %.3g",
			u/float64(good), mostWeight*u/float64(good), d/float64(bad)/mostWeight, d/float64(bad)))
}

// weights are those of good and bad rows.
func (o CheckOptions) weights() (desirable, undesirable float64) {
	desirable, undesirable = o.DesirableWeight, o.UndesirableWeight
	if desirable == 0 {
		desirable = 1
	}
	if undesirable == 0 {
		undesirable = 1
	}
	return desirable, undesirable
}

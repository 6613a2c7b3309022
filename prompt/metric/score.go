package metric

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Scoring is the scoring of one output. It is a pure function of the metric, the example,
// the outputs and the answers.
type Scoring struct {
	example, outputs *prompt.Object
	server           prompt.Server
	parts            []*Metric
	total, weight    float64
	judge            *prompt.Execution // of the first part, if that is a judge
	notes            []note            // of the scored parts
}

// Start begins a scoring; server is the judge's.
func (m *Metric) Start(example, outputs *prompt.Object, server prompt.Server) *Scoring {
	s := &Scoring{example: example, outputs: outputs, server: server, parts: []*Metric{m}}
	if m.Kind == Mean {
		s.parts = m.Parts
	}
	s.advance()
	return s
}

// advance scores all parts up to the first that needs a judge or a command.
func (s *Scoring) advance() {
	for len(s.parts) > 0 {
		switch m := s.parts[0]; m.Kind {
		case Command:
			return
		case Judge:
			if s.judge == nil {
				s.judge = m.Program.Start(s.judged(), s.server)
			}
			if s.judge.Next() != nil {
				return
			}
			score, _ := verdict(s.judge) // AnswerSaid reports the error
			s.add(score, note{text: reasons(s.judge)})
		default:
			score := m.score(s.example, s.outputs)
			s.add(score, note{text: m.explain(s.example, s.outputs, score)})
		}
	}
}

func (s *Scoring) add(score float64, said note) {
	s.notes = append(s.notes, said)
	w := s.parts[0].weight()
	s.total += w * score
	s.weight += w
	s.parts, s.judge = s.parts[1:], nil
}

// judged is the input of a judge.
func (s *Scoring) judged() *prompt.Object {
	values := s.example.Copy()
	for _, k := range s.outputs.Keys() {
		v, _ := s.outputs.Get(k)
		values.Set(predicted+k, v)
	}
	return values
}

// verdict reads the judge's score; an unreadable answer scores 0.
func verdict(judge *prompt.Execution) (float64, error) {
	outputs, err := judge.Result()
	if err != nil {
		return 0, nil //nolint:nilerr // who takes the answer is told why it could not be read
	}
	v, _ := outputs.Get(scoreField)
	f, ok := number(v)
	if !ok {
		return 0, fmt.Errorf("%w: %s", ErrScore, python.Repr(v))
	}
	score := min(max(f, 0), 1)
	if score != f {
		return score, fmt.Errorf("%w: %s", ErrScore, python.Repr(v))
	}
	return score, nil
}

// Questions is the number of model calls of one scoring, if all answers can be read.
func (m *Metric) Questions() int {
	if m.Kind == Judge {
		return len(m.Program.Predictors)
	}
	n := 0
	for _, part := range m.Parts {
		n += part.Questions()
	}
	return n
}

// Question returns the next request to the judge; nil = none.
func (s *Scoring) Question() *prompt.Request {
	if s.judge == nil {
		return nil
	}
	return s.judge.Next()
}

// Answer takes the judge's answer to Question.
func (s *Scoring) Answer(text string) { s.AnswerSaid(prompt.Said{Text: text}) }

// AnswerSaid is Answer for an answer with details.
func (s *Scoring) AnswerSaid(said prompt.Said) {
	if s.judge == nil {
		return
	}
	s.judge.TakeSaid(said)
	if _, err := verdict(s.judge); s.judge.Next() == nil && err != nil && said.Unread != nil {
		said.Unread(err)
	}
	s.advance()
}

// ErrScore marks a judge's score that is not a number from 0 to 1. A number counts as the
// nearest valid score, and any other value as 0.
var ErrScore = errors.New("the judge's score is not a number from 0 to 1")

// Command returns the name of the command whose score is needed now, for the example and
// the outputs; "" = none.
func (s *Scoring) Command() string {
	if len(s.parts) > 0 && s.parts[0].Kind == Command {
		return s.parts[0].Command
	}
	return ""
}

// Scored takes the result of Command's command, with a score from 0 to 1.
func (s *Scoring) Scored(m Mark) {
	if s.Command() != "" {
		if math.IsNaN(m.Score) {
			m.Score = 0
		}
		said := note{text: shorten(m.Feedback), predictors: map[string]string{}}
		for name, text := range m.Predictors {
			said.predictors[name] = shorten(text)
		}
		s.add(min(max(m.Score, 0), 1), said)
		s.advance()
	}
}

// Done reports whether nothing more is needed.
func (s *Scoring) Done() bool { return len(s.parts) == 0 }

// Score is the score of a finished scoring. A single metric's weight has no effect, and a
// mean whose parts all have weight 0 scores 0.
func (s *Scoring) Score() float64 {
	if s.weight == 0 {
		return 0
	}
	return s.total / s.weight
}

// score scores a part that needs neither a judge nor a command.
func (m *Metric) score(example, outputs *prompt.Object) float64 {
	got, ok1 := lookup(outputs, m.Field)
	want, ok2 := lookup(example, m.expected())
	if !ok1 || !ok2 {
		return 0
	}
	switch m.Kind {
	case F1:
		return best(want, func(w any) float64 { return f1(python.Str(got), python.Str(w)) })
	case Contains:
		return best(want, func(w any) float64 { return b2f(m.contains(python.Str(got), python.Str(w))) })
	case Numeric:
		return m.near(got, want)
	case Calibrated:
		v, _ := lookup(outputs, m.Confidence)
		confidence, ok := number(v)
		if !ok {
			return 0
		}
		miss := min(max(confidence, 0), 1) - b2f(m.equal(got, want))
		return 1 - miss*miss
	default:
		return b2f(m.equal(got, want))
	}
}

// equal compares an output with the expected value. If the output is a text and a list of texts
// is expected, any item may match.
func (m *Metric) equal(got, want any) bool {
	if text, ok := got.(string); ok {
		if list, many := want.([]any); many {
			for _, w := range list {
				if m.equal(text, w) {
					return true
				}
			}
			return false
		}
		if w, isText := want.(string); isText && m.Normalize {
			return normalize(text) == normalize(w)
		}
	}
	return python.Equal(got, want)
}

func (m *Metric) contains(text, part string) bool {
	if m.Normalize {
		text, part = normalize(text), normalize(part)
	}
	return strings.Contains(text, part)
}

func (m *Metric) near(got, want any) float64 {
	g, ok1 := number(got)
	w, ok2 := number(want)
	if !ok1 || !ok2 {
		return 0
	}
	return b2f(math.Abs(g-w) <= max(m.Tolerance, m.Relative*math.Abs(w)))
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case bool:
		return b2f(x), true
	case int64:
		return float64(x), true
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		return f, true
	case float64:
		return x, !math.IsNaN(x)
	}
	return 0, false
}

// best is the best score against any of several correct answers.
func best(want any, score func(any) float64) float64 {
	list, ok := want.([]any)
	if !ok {
		return score(want)
	}
	top := 0.0
	for _, w := range list {
		top = max(top, score(w))
	}
	return top
}

// lookup follows a path of names through objects.
func lookup(o *prompt.Object, path string) (any, bool) {
	if v, ok := o.Get(path); ok {
		return v, true
	}
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return nil, false
	}
	v, _ := o.Get(name)
	inner, ok := v.(*prompt.Object)
	if !ok {
		return nil, false
	}
	return lookup(inner, rest)
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

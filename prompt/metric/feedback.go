package metric

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Mark is a command's score of an output, with feedback.
type Mark struct {
	Score      float64           `json:"score"`                // from 0 to 1
	Feedback   string            `json:"feedback,omitempty"`   // what was right or wrong, for a model that learns from it
	Predictors map[string]string `json:"predictors,omitempty"` // feedback for single predictors, by name
}

// longestShown is the maximum length, in characters, of one value or text in a feedback.
const longestShown = 2000

// note is the feedback of one part.
type note struct {
	text       string
	predictors map[string]string
}

// Feedback describes the result of a finished scoring for one predictor of the program; "" if
// there is nothing beyond the score.
func (s *Scoring) Feedback(predictor string) string {
	var texts []string
	for _, n := range s.notes {
		text, ok := n.predictors[predictor]
		if !ok {
			text = n.text
		}
		if text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n")
}

// explain is the feedback of a part that needs neither a judge nor a command.
func (m *Metric) explain(example, outputs *prompt.Object, score float64) string {
	got, ok := lookup(outputs, m.Field)
	want, known := lookup(example, m.expected())
	switch {
	case !known:
		return fmt.Sprintf("%s: the example says nothing of it.", m.Field)
	case !ok:
		return fmt.Sprintf("%s is missing; %s.", m.Field, m.wanted(want))
	}
	said := fmt.Sprintf("%s, got %s", m.wanted(want), quote(got))
	switch {
	case m.Kind == Calibrated:
		confidence, _ := lookup(outputs, m.Confidence)
		verdict := "wrong"
		if m.equal(got, want) {
			verdict = "right"
		}
		return fmt.Sprintf("%s is %s: %s. %s was %s.", m.Field, verdict, said, m.Confidence, quote(confidence))
	case score >= 1:
		return fmt.Sprintf("%s is right: %s.", m.Field, said)
	case m.Kind == F1 && score > 0:
		return fmt.Sprintf("%s has only some of the words: %s.", m.Field, said)
	}
	return fmt.Sprintf("%s is wrong: %s.", m.Field, said)
}

// wanted describes the expected value of a field.
func (m *Metric) wanted(want any) string {
	list, many := want.([]any)
	switch {
	case m.Kind == Contains && many:
		return "expected a text with one of " + quote(list)
	case m.Kind == Contains:
		return "expected a text with " + quote(want)
	case m.Kind == Numeric:
		n, _ := number(want)
		return fmt.Sprintf("expected %s within %s", quote(want), python.Repr(max(m.Tolerance, m.Relative*max(n, -n))))
	}
	return "expected " + quote(want)
}

// quote shows a value as Python does; a long value is cut off.
func quote(v any) string { return shorten(python.Repr(v)) }

func shorten(text string) string {
	if runes := []rune(text); len(runes) > longestShown {
		return string(runes[:longestShown]) + " …"
	}
	return text
}

// reasons are the outputs of a judge other than its score.
func reasons(judge *prompt.Execution) string {
	outputs, err := judge.Result()
	if err != nil {
		return ""
	}
	var texts []string
	for _, k := range outputs.Keys() {
		if v, _ := outputs.Get(k); k != scoreField && v != nil {
			texts = append(texts, shorten(python.Str(v)))
		}
	}
	return strings.Join(texts, "\n")
}

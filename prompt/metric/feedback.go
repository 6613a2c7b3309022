package metric

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Mark is what a command says of an output.
type Mark struct {
	Score      float64           `json:"score"`                // from 0 to 1
	Feedback   string            `json:"feedback,omitempty"`   // what was right or wrong, for a model that learns from it
	Predictors map[string]string `json:"predictors,omitempty"` // the same for single predictors, by name
}

// longestShown is how many characters of one value or text a feedback shows.
const longestShown = 2000

// note is the feedback of one part.
type note struct {
	text       string
	predictors map[string]string
}

// Feedback says in words what a finished scoring found, for one predictor of the program;
// "" if there is nothing to say beyond the score.
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

// wanted says what a field should have been.
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

// quote shows a value as Python does, and the beginning of a long one.
func quote(v any) string { return shorten(python.Repr(v)) }

func shorten(text string) string {
	if runes := []rune(text); len(runes) > longestShown {
		return string(runes[:longestShown]) + " …"
	}
	return text
}

// reasons is what a judge said besides its score.
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

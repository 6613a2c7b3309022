package lmtest

import (
	"strings"
	"sync"

	"github.com/cogniverse/cogflow/prompt"
)

// Echo answers with the question.
func Echo(c Call) Reply { return Reply{Text: c.Question()} }

// exhausted is the answer of DSPy's DummyLM after its last scripted answer.
const exhausted = "No more responses"

// InOrder answers with these texts in order, one per call.
func InOrder(texts ...string) func(Call) Reply {
	var mu sync.Mutex
	return func(Call) Reply {
		mu.Lock()
		defer mu.Unlock()
		if len(texts) == 0 {
			return Reply{Text: exhausted}
		}
		first := texts[0]
		texts = texts[1:]
		return Reply{Text: first}
	}
}

// Containing answers with the text of the first part that the question contains; the
// arguments are pairs of part and text.
func Containing(partsAndTexts ...string) func(Call) Reply {
	return func(c Call) Reply {
		for i := 0; i+1 < len(partsAndTexts); i += 2 {
			if strings.Contains(c.Text(), partsAndTexts[i]) {
				return Reply{Text: partsAndTexts[i+1]}
			}
		}
		return Reply{Text: exhausted}
	}
}

// Following answers as the example with the same question, or by otherwise if there is no
// such example.
func Following(otherwise func(Call) Reply) func(Call) Reply {
	return func(c Call) Reply {
		question := c.Question()
		for i := len(c.Messages) - 2; i > 0; i-- {
			example, answered := c.Messages[i-1], c.Messages[i]
			if example.Role == prompt.User && answered.Role == prompt.Assistant && strings.HasPrefix(question, example.Text()) {
				return Reply{Text: answered.Content}
			}
		}
		return otherwise(c)
	}
}

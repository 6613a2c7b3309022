package linguistics

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/internal/index/terms"
)

// Condition is what a document must have for one phrase. Earlier builds did not store the
// characters of a text, so their documents are found by whole runs, without a score. The values
// become parameters with names that depend on i.
func Condition(i int, p terms.Phrase, parameters map[string]any) (ranked, unranked string) {
	names := make([]string, len(p.Terms))
	for k, term := range p.Terms {
		name := fmt.Sprintf("w%d_%d", i, k)
		parameters[name], names[k] = Word(term), "@"+name
	}
	if !p.Character {
		return "default contains " + names[0], ""
	}
	run := fmt.Sprintf("r%d", i)
	parameters[run] = strings.Join(p.Terms, "")
	unranked = "default contains ({ranked: false}@" + run + ")"
	if len(names) == 1 {
		return "terms contains " + names[0], unranked
	}
	return "terms contains phrase(" + strings.Join(names, ", ") + ")", unranked
}

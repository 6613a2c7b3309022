// Package index is what all search indexes do alike with what they have found.
package index

import (
	"github.com/cogniverse/cogflow/internal/index/terms"
	"github.com/cogniverse/cogflow/video"
)

// maxPhrases is how many words of a query are looked for.
const maxPhrases = 64

// Matched sets in each hit the fields that have a word of the query.
func Matched(query string, hits []video.Hit) []video.Hit {
	phrases := terms.Query(query, maxPhrases)
	for i := range hits {
		h := &hits[i]
		for _, field := range []struct{ name, text string }{
			{"caption", h.Caption}, {"on_screen_text", h.OnScreen}, {"transcript", h.Transcript}, {"name", h.Name},
		} {
			if terms.Matches(phrases, field.text) {
				h.Matched = append(h.Matched, field.name)
			}
		}
	}
	return hits
}

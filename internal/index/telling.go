package index

import (
	"math"

	"github.com/cogniverse/cogflow/internal/index/terms"
	"github.com/cogniverse/cogflow/video"
)

// Telling is the least score of a document by its words in a fusion, as a part of what a
// document with each phrase of the query once has. Words such as "of the" are in many
// documents that have nothing to do with the query, and would outrank those that vectors find.
const Telling = 0.25

// Rarity is what a phrase weighs in BM25: the fewer documents have it, the more.
func Rarity(documents, having float64) float64 {
	return math.Log(1 + (documents-having+0.5)/(having+0.5))
}

// Weights are the phrases of a query with their rarities, for an index that does not tell
// which phrases a hit has.
type Weights struct {
	Phrases  []terms.Phrase
	Rarities []float64
}

// Tells reports whether the phrases that a hit has weigh enough. A hit without any of them was
// found by rules of the index, such as its own tokenizer's, and counts.
func (w Weights) Tells(h video.Hit) bool {
	whole, found := 0.0, 0.0
	for i, has := range terms.Found(w.Phrases, h.Caption, h.OnScreen, h.Transcript, h.Name) {
		whole += w.Rarities[i]
		if has {
			found += w.Rarities[i]
		}
	}
	return found == 0 || found >= Telling*whole
}

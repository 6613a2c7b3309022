// Package preview holds the built-in models: a describer from classical vision
// and a text embedder of hashed n-grams. They need no GPU, key or download and
// let a newcomer see the whole pipeline work; they are no match for real models
// and say so: every caption of theirs is marked as a preview. Both are
// deterministic: equal input gives equal output on every machine.
package preview

import "github.com/cogniverse/cogflow/fault"

// The names under which profiles ask for these models.
const (
	DescriberModel = "cogflow/preview-describer"
	EmbedderModel  = "cogflow/preview-embedder"
)

// EmbedderRevision changes whenever the same text would get another vector.
const EmbedderRevision = "1"

// lookRevision changes whenever the same frame would get another sentence.
const lookRevision = "1"

func checkModel(op, got, want string) error {
	if got == "" || got == want {
		return nil
	}
	return fault.New(fault.Input, op, got, "unknown model; the built-in one is "+want)
}

// Package preview holds the built-in models: a describer that uses classical computer
// vision, and a text embedder that hashes n-grams. They need no GPU, key or download,
// so a new user can run the whole pipeline at once. Their quality is far below that of
// real models, so every caption is labelled `preview`. Both are deterministic: equal
// input gives equal output on every machine.
package preview

import "github.com/cogniverse/cogflow/fault"

// The names of these models in profiles.
const (
	DescriberModel = "cogflow/preview-describer"
	EmbedderModel  = "cogflow/preview-embedder"
)

// EmbedderRevision changes whenever the vector of an equal text changes.
const EmbedderRevision = "1"

// lookRevision changes whenever the caption of an equal frame changes.
const lookRevision = "1"

func checkModel(op, got, want string) error {
	if got == "" || got == want {
		return nil
	}
	return fault.New(fault.Input, op, got, "unknown model; the built-in one is "+want)
}

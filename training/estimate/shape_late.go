package estimate

import (
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// isLate reports whether a model is one that trainer/src/trainer/late.py trains, by its
// model_type and the class that its architectures name.
func isLate(c modelConfig) bool {
	class := map[string]string{
		"colpali": "ColPaliForRetrieval", "colqwen2": "ColQwen2ForRetrieval", "idefics3": "ColIdefics3",
	}[c.ModelType]
	return class != "" && slices.Contains(c.Classes, class)
}

// readsImages reports whether a weight belongs to what turns an image into tokens. It stays as
// it is beside an adapter.
func readsImages(tensor string) bool {
	return slices.ContainsFunc(strings.Split(tensor, "."), func(part string) bool {
		return slices.Contains([]string{"connector", "multi_modal_projector", "vision_model", "vision_tower", "visual"}, part)
	})
}

// patches is how many patches of an image the published models of an architecture merge into
// one token.
func patches(architecture string) int64 {
	switch architecture {
	case "idefics3":
		return 16
	case "colqwen2":
		return 4
	}
	return 1
}

// Suits refuses a method, or a loss of it, that cannot train a model.
func (s Shape) Suits(m training.Method, loss string) error {
	switch {
	case s.Late && loss != training.LateInteraction:
		return fault.New(fault.Input, readShape, s.Architecture,
			"it is a late-interaction model, which has a vector for each token; train it as an embedding model with \"loss\": \"late_interaction\"")
	case !s.Late && loss == training.LateInteraction:
		return fault.New(fault.Input, readShape, s.Architecture,
			"the loss late_interaction needs a late-interaction model (ColIdefics3, ColQwen2ForRetrieval or ColPaliForRetrieval); "+
				"use such a base_model, or set loss to triplet or mnr")
	}
	return s.Serves(m)
}

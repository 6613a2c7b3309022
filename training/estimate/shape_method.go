package estimate

import (
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// Serves refuses a model that does not suit a method: an encoder cannot learn to answer.
// Architectures unknown to this build are not refused.
func (s Shape) Serves(m training.Method) error {
	if m == training.Embedding {
		return nil // a model that generates text also has vectors
	}
	const fix = "; name a language model, such as one of llama, qwen3 or smollm3"
	switch {
	case slices.Contains([]string{
		"albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "modernbert", "mpnet",
		"nomic_bert", "roberta", "xlm-roberta", "xlm-roberta-xl",
	}, s.Architecture):
		return fault.New(fault.Input, readShape, s.Architecture, "it is an encoder, which cannot generate text, so "+string(m)+" cannot train it"+fix)
	case slices.Contains([]string{"bart", "mbart", "mt5", "pegasus", "t5", "umt5"}, s.Architecture):
		return fault.New(fault.Input, readShape, s.Architecture, "it is an encoder-decoder model, and "+string(m)+" trains models that continue a text"+fix)
	}
	return nil
}

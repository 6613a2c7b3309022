package estimate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

func TestServes(t *testing.T) {
	t.Parallel()
	for architecture, want := range map[string]string{
		"llama": "", "qwen3": "", "something_new": "",
		"bert":       `read model "bert": it is an encoder, which cannot generate text, so sft cannot train it; name a language model`,
		"modernbert": "it is an encoder, which cannot generate text",
		"t5":         "it is an encoder-decoder model, and sft trains models that continue a text",
	} {
		s := estimate.Shape{Architecture: architecture}
		require.NoError(t, s.Serves(training.Embedding))
		err := s.Serves(training.SFT)
		if want == "" {
			require.NoError(t, err)
			require.NoError(t, s.Serves(training.DPO))
			continue
		}
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Input, fault.ClassOf(err))
		require.ErrorContains(t, s.Serves(training.DPO), "dpo")
	}
}

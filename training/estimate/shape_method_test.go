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

// TestAdaptDefault: the usual modules under the model's names, or every linear layer.
func TestAdaptDefault(t *testing.T) {
	t.Parallel()
	linear := func(names ...string) estimate.Shape {
		s := estimate.Shape{Architecture: "x"}
		for _, name := range names {
			s.Linear = append(s.Linear, estimate.Linear{Name: name, In: 8, Out: 8, Count: 2})
		}
		return s
	}
	for name, c := range map[string]struct {
		shape estimate.Shape
		want  []string
	}{
		"llama": {linear("layers.*.attn.k_proj", "layers.*.attn.o_proj", "layers.*.attn.q_proj", "layers.*.attn.v_proj"), []string{"k_proj", "o_proj", "q_proj", "v_proj"}},
		"gpt2":  {linear("h.*.attn.c_attn", "h.*.attn.c_proj", "h.*.mlp.c_fc"), []string{"attn.c_proj", "c_attn"}},
		"other": {linear("blocks.*.mixer.in_proj", "lm_head"), []string{training.AllLinear}},
		"part":  {linear("layers.*.attn.q_proj", "layers.*.attn.kv_a"), []string{training.AllLinear}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, lora, extras, err := training.Resolve(training.SFT, training.Settings{}, training.LoRASettings{})
			require.NoError(t, err)
			require.True(t, extras.DefaultModules)
			got, err := c.shape.AdaptDefault(*lora)
			require.NoError(t, err)
			require.Equal(t, c.want, got.TargetModules)
		})
	}
	_, err := estimate.Shape{}.AdaptDefault(training.LoRA{TargetModules: []string{"q_proj"}})
	require.ErrorContains(t, err, "no such module")
}

// TestRatedAnswers: for its estimate of the KL divergence, kto scores the answers of other rows
// twice more, with the model and with the reference.
func TestRatedAnswers(t *testing.T) {
	t.Parallel()
	of := func(method training.Method, loss string, lora bool) estimate.ClassEstimate {
		p := planOf(t, llama32of3B(), method, "a100-80gb")
		p.Config.Loss, p.EvalTokens = loss, 0
		if !lora {
			p.LoRA = nil
		}
		e, err := p.Estimate()
		require.NoError(t, err)
		return e.Classes[0]
	}
	sft, kto, apo := of(training.SFT, "", true), of(training.KTO, training.LossKTO, true), of(training.KTO, training.LossAPO, true)
	require.InEpsilon(t, sft.TokensPerSecond*3/6, kto.TokensPerSecond, 1e-9)
	require.InEpsilon(t, sft.TokensPerSecond*3/4, apo.TokensPerSecond, 1e-9)
	require.Less(t, kto.NeedBytes, of(training.DPO, "", true).NeedBytes, "a row has one answer")
	require.Greater(t, of(training.KTO, training.LossKTO, false).NeedBytes, of(training.SFT, "", false).NeedBytes+12e9, "the reference is a model of its own")
}

package estimate_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// lateModel is the shape of a late-interaction model: language model, vision model, projection.
func lateModel(t testing.TB, config, text, vision, projection string) estimate.Shape {
	t.Helper()
	var w tensors
	w.add(text+"embed_tokens.weight", "BF16", 2, 49280, 960)
	for i := range int64(32) {
		at := fmt.Sprintf("%slayers.%d.", text, i)
		w.add(at+"self_attn.q_proj.weight", "BF16", 2, 960, 960)
		w.add(at+"self_attn.v_proj.weight", "BF16", 2, 320, 960)
		w.add(at+"mlp.up_proj.weight", "BF16", 2, 2560, 960)
	}
	for i := range int64(12) {
		w.add(fmt.Sprintf("%s.layers.%d.self_attn.q_proj.weight", vision, i), "BF16", 2, 768, 768)
	}
	w.add(projection+".weight", "BF16", 2, 128, 960)
	s, err := estimate.ReadShape([]byte(config), []estimate.WeightFile{w.file(t)})
	require.NoError(t, err)
	return s
}

const sizes = `"hidden_size":960,"intermediate_size":2560,"num_hidden_layers":32,"num_attention_heads":15,"num_key_value_heads":5,"vocab_size":49280`

func colSmol(t testing.TB) estimate.Shape {
	return lateModel(t, `{"model_type":"idefics3","architectures":["ColIdefics3"],"text_config":{"model_type":"llama",`+sizes+`}}`,
		"model.text_model.", "model.vision_model.encoder", "linear")
}

func colQwen2(t testing.TB) estimate.Shape {
	return lateModel(t, `{"model_type":"colqwen2","architectures":["ColQwen2ForRetrieval"],"vlm_config":{"model_type":"qwen2_vl",`+sizes+`}}`,
		"vlm.language_model.", "vlm.visual.blocks", "embedding_proj_layer")
}

// TestLateInteraction: adapters attach to the language model and the projection only.
func TestLateInteraction(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		shape      estimate.Shape
		projection string
		vision     int64
	}{
		"colSmol":  {colSmol(t), "linear", 16 * 12 * 768 * 768},
		"ColQwen2": {colQwen2(t), "embedding_proj_layer", 4 * 12 * 768 * 768},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := test.shape
			assert.True(t, s.Late)
			assert.Equal(t, 32, s.Layers)
			assert.Equal(t, test.vision, s.Vision)
			l, err := s.Adapt(training.LoRA{R: 8, TargetModules: []string{"q_proj", training.Projection}})
			require.NoError(t, err)
			assert.ElementsMatch(t, []string{"q_proj", test.projection}, l.TargetModules)
			n, err := s.LoRAParameters(l)
			require.NoError(t, err)
			assert.EqualValues(t, 8*(32*(960+960)+128+960), n)

			require.NoError(t, s.Suits(training.Embedding, training.LateInteraction))
			for _, loss := range []string{"triplet", "mnr"} {
				err = s.Suits(training.Embedding, loss)
				require.ErrorContains(t, err, `train it as an embedding model with "loss": "late_interaction"`)
				assert.Equal(t, fault.Input, fault.ClassOf(err))
			}
			require.ErrorContains(t, s.Suits(training.SFT, ""), "late-interaction model")

			p := estimate.Plan{
				Method: training.Embedding, Model: "m", Shape: s, LoRA: &l, Numerics: training.BF16, Classes: []string{"l4"},
				Config: training.Config{Epochs: 1, BatchSize: 16, Accumulation: 1, MaxSeqLength: 128}, Rows: 100, Tokens: 120_000, Longest: 1200,
			}
			long, err := p.Estimate()
			require.NoError(t, err)
			p.Longest = 128
			short, err := p.Estimate()
			require.NoError(t, err)
			assert.Greater(t, long.Classes[0].NeedBytes, short.Classes[0].NeedBytes, "images are longer than max_seq_length, and never cut")
			p.Shape.Vision = 0
			read, err := p.Estimate()
			require.NoError(t, err)
			assert.Less(t, read.Classes[0].Seconds, short.Classes[0].Seconds, "reading images takes time")
		})
	}
	s := llama32of3B().shape(t)
	require.ErrorContains(t, s.Suits(training.Embedding, training.LateInteraction), "needs a late-interaction model (ColIdefics3")
	require.NoError(t, s.Suits(training.Embedding, "mnr"))
	require.NoError(t, s.Suits(training.SFT, ""))
	plain, err := estimate.ReadShape([]byte(`{"model_type":"idefics3","architectures":["Idefics3ForConditionalGeneration"],"text_config":{`+sizes+`}}`),
		[]estimate.WeightFile{llama32of3B().weights().file(t)})
	require.NoError(t, err)
	assert.False(t, plain.Late)
}

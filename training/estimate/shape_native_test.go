package estimate_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// TestJinaV3: jinaai/jina-embeddings-v3-hf has the weights of the first, own code, where query,
// key and value are one; adapters attach to the layers of transformers' class.
func TestJinaV3(t *testing.T) {
	t.Parallel()
	const h, inter, layers, vocab = 1024, 4096, 24, 250002
	for _, prefix := range []string{"", "roberta."} {
		var w tensors
		both := func(name string, shape ...int64) {
			w.add(prefix+name+".weight", "BF16", 2, shape...)
			w.add(prefix+name+".bias", "BF16", 2, shape[0])
		}
		w.add(prefix+"embeddings.word_embeddings.weight", "BF16", 2, vocab, h)
		w.add(prefix+"embeddings.token_type_embeddings.weight", "BF16", 2, 1, h)
		both("emb_ln", h)
		for i := range layers {
			at := fmt.Sprintf("encoder.layers.%d.", i)
			both(at+"mixer.Wqkv", 3*h, h)
			both(at+"mixer.out_proj", h, h)
			both(at+"mlp.fc1", inter, h)
			both(at+"mlp.fc2", h, inter)
			both(at+"norm1", h)
			both(at+"norm2", h)
		}
		both("pooler.dense", h, h)
		s, err := estimate.ReadShape([]byte(`{"model_type":"jina_embeddings_v3","hidden_size":1024,"intermediate_size":4096,
			"num_hidden_layers":24,"num_attention_heads":16,"vocab_size":250002,"max_position_embeddings":8194,
			"architectures":["JinaEmbeddingsV3Model"],"lora_rank":4,"torch_dtype":"bfloat16"}`), []estimate.WeightFile{w.file(t)})
		require.NoError(t, err)
		assert.EqualValues(t, 559_364_096, s.Parameters)
		assert.Equal(t, []string{"dense", "fc1", "fc2", "k_proj", "o_proj", "q_proj", "v_proj"}, s.Modules())
		for _, names := range [][]string{{"q_proj", "v_proj"}, {"k_proj", "o_proj", "q_proj", "v_proj"}} {
			l, err := s.Adapt(training.LoRA{R: 8, TargetModules: names})
			require.NoError(t, err)
			assert.Equal(t, names, l.TargetModules)
			n, err := s.LoRAParameters(l)
			require.NoError(t, err)
			assert.EqualValues(t, len(names)*layers*8*(h+h), n)
		}
		n, err := s.LoRAParameters(training.LoRA{R: 8, TargetModules: []string{"layers.3.self_attn.q_proj"}})
		require.NoError(t, err)
		assert.EqualValues(t, 8*(h+h), n)
	}
}

// TestNomicBERT has the same kind of files, with a gate.
func TestNomicBERT(t *testing.T) {
	t.Parallel()
	var w tensors
	w.add("embeddings.word_embeddings.weight", "F32", 4, 30528, 768)
	for i := range 12 {
		at := fmt.Sprintf("encoder.layers.%d.", i)
		w.add(at+"attn.Wqkv.weight", "F32", 4, 3*768, 768)
		w.add(at+"attn.out_proj.weight", "F32", 4, 768, 768)
		for _, name := range []string{"fc11", "fc12"} {
			w.add(at+"mlp."+name+".weight", "F32", 4, 3072, 768)
		}
		w.add(at+"mlp.fc2.weight", "F32", 4, 768, 3072)
	}
	s, err := estimate.ReadShape([]byte(`{"model_type":"nomic_bert","hidden_size":768,"intermediate_size":3072,
		"num_hidden_layers":12,"num_attention_heads":12,"vocab_size":30528}`), []estimate.WeightFile{w.file(t)})
	require.NoError(t, err)
	assert.Equal(t, []string{"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"}, s.Modules())
	l, err := s.Adapt(training.LoRA{R: 8, TargetModules: []string{"o_proj", "q_proj"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"o_proj", "q_proj"}, l.TargetModules)
}

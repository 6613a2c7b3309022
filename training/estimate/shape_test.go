package estimate_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// tensors is a safetensors header in the making.
type tensors struct {
	entries map[string]any
	size    int64
}

func (w *tensors) add(name, dtype string, width int64, shape ...int64) {
	if w.entries == nil {
		w.entries = map[string]any{}
	}
	n := width
	for _, d := range shape {
		n *= d
	}
	w.entries[name] = map[string]any{"dtype": dtype, "shape": shape, "data_offsets": []int64{w.size, w.size + n}}
	w.size += n
}

func (w *tensors) file(t testing.TB) estimate.WeightFile {
	t.Helper()
	w.entries["__metadata__"] = map[string]string{"format": "pt"}
	header, err := json.Marshal(w.entries)
	require.NoError(t, err)
	start := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	return estimate.WeightFile{Name: "model.safetensors", Data: hollow(start), Size: int64(len(start)) + w.size}
}

// hollow is a file of which only the start is there: no more may be read.
type hollow []byte

func (h hollow) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(h).ReadAt(p, off)
}

// decoderModel is a causal model as Llama, Qwen, SmolLM and Mistral are built.
type decoderModel struct {
	kind                                               string
	hidden, inter, layers, heads, kv, head, vocab, max int64
	tied, bias                                         bool
}

func (m decoderModel) config() []byte {
	return fmt.Appendf(nil, `{"model_type":%q,"hidden_size":%d,"intermediate_size":%d,"num_hidden_layers":%d,
		"num_attention_heads":%d,"num_key_value_heads":%d,"vocab_size":%d,"max_position_embeddings":%d,"tie_word_embeddings":%v}`,
		m.kind, m.hidden, m.inter, m.layers, m.heads, m.kv, m.vocab, m.max, m.tied)
}

func (m decoderModel) weights() *tensors {
	var w tensors
	w.add("model.embed_tokens.weight", "BF16", 2, m.vocab, m.hidden)
	q, kv := m.heads*m.head, m.kv*m.head
	for i := range m.layers {
		at := fmt.Sprintf("model.layers.%d.", i)
		for _, l := range []struct {
			name    string
			out, in int64
			bias    bool
		}{
			{"self_attn.q_proj", q, m.hidden, m.bias},
			{"self_attn.k_proj", kv, m.hidden, m.bias},
			{"self_attn.v_proj", kv, m.hidden, m.bias},
			{"self_attn.o_proj", m.hidden, q, false},
			{"mlp.gate_proj", m.inter, m.hidden, false},
			{"mlp.up_proj", m.inter, m.hidden, false},
			{"mlp.down_proj", m.hidden, m.inter, false},
		} {
			w.add(at+l.name+".weight", "BF16", 2, l.out, l.in)
			if l.bias {
				w.add(at+l.name+".bias", "BF16", 2, l.out)
			}
		}
		w.add(at+"input_layernorm.weight", "BF16", 2, m.hidden)
		w.add(at+"post_attention_layernorm.weight", "BF16", 2, m.hidden)
	}
	w.add("model.norm.weight", "BF16", 2, m.hidden)
	if !m.tied {
		w.add("lm_head.weight", "BF16", 2, m.vocab, m.hidden)
	}
	return &w
}

func (m decoderModel) shape(t testing.TB) estimate.Shape {
	t.Helper()
	s, err := estimate.ReadShape(m.config(), []estimate.WeightFile{m.weights().file(t)})
	require.NoError(t, err)
	return s
}

func smolLM135M() decoderModel {
	return decoderModel{"llama", 576, 1536, 30, 9, 3, 64, 49152, 2048, true, false}
}

func llama32of3B() decoderModel {
	return decoderModel{"llama", 3072, 8192, 28, 24, 8, 128, 128256, 131072, true, false}
}

func llama31of8B() decoderModel {
	return decoderModel{"llama", 4096, 14336, 32, 32, 8, 128, 128256, 131072, false, false}
}

// TestKnownModels: the numbers of parameters that the models' authors publish.
func TestKnownModels(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		model decoderModel
		want  int64
	}{
		"SmolLM-135M":  {smolLM135M(), 134_515_008},
		"Llama-3.2-1B": {decoderModel{"llama", 2048, 8192, 16, 32, 8, 64, 128256, 131072, true, false}, 1_235_814_400},
		"Llama-3.2-3B": {llama32of3B(), 3_212_749_824},
		"Llama-3.1-8B": {llama31of8B(), 8_030_261_248},
		"Qwen2.5-0.5B": {decoderModel{"qwen2", 896, 4864, 24, 14, 2, 64, 151936, 32768, true, true}, 494_032_768},
		"Mistral-7B":   {decoderModel{"mistral", 4096, 14336, 32, 32, 8, 128, 32000, 32768, false, false}, 7_241_732_096},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := test.model.shape(t)
			assert.Equal(t, test.want, s.Parameters)
			assert.Greater(t, s.WeightBytes, 2*test.want)
			assert.EqualValues(t, test.model.layers, s.Layers)
			assert.EqualValues(t, test.model.kv, s.KVHeads)
		})
	}
}

func TestLoRAParameters(t *testing.T) {
	t.Parallel()
	s := llama32of3B().shape(t)
	for name, test := range map[string]struct {
		targets []string
		want    int64
	}{
		// 36.7 MB in fp32, as measured in PEFT's comparison of methods.
		"q and v":    {[]string{"q_proj", "v_proj"}, 9_175_040},
		"path":       {[]string{"self_attn.q_proj", "v_proj"}, 9_175_040},
		"one layer":  {[]string{"layers.3.self_attn.q_proj"}, 32 * (3072 + 3072)},
		"twice":      {[]string{"q_proj", "layers.3.self_attn.q_proj"}, 28 * 32 * (3072 + 3072)},
		"all-linear": {[]string{"all-linear"}, 28 * 32 * (2*(3072+3072) + 2*(3072+1024) + 3*(3072+8192))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := s.LoRAParameters(training.LoRA{R: 32, TargetModules: test.targets})
			require.NoError(t, err)
			assert.Equal(t, test.want, n)
		})
	}
	_, err := s.LoRAParameters(training.LoRA{R: 8, TargetModules: []string{"q_proj", "query"}})
	require.ErrorContains(t, err, `place LoRA "query": the model (llama) has no such module; target_modules can be all-linear, down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj`)
	assert.Equal(t, fault.Input, fault.ClassOf(err))
}

func bertBase(t testing.TB) estimate.Shape {
	t.Helper()
	var w tensors
	w.add("embeddings.position_ids", "I64", 8, 1, 512)
	w.add("embeddings.word_embeddings.weight", "F32", 4, 30522, 768)
	w.add("embeddings.position_embeddings.weight", "F32", 4, 512, 768)
	w.add("embeddings.token_type_embeddings.weight", "F32", 4, 2, 768)
	norm := func(at string) {
		w.add(at+".weight", "F32", 4, 768)
		w.add(at+".bias", "F32", 4, 768)
	}
	linear := func(at string, out, in int64) {
		w.add(at+".weight", "F32", 4, out, in)
		w.add(at+".bias", "F32", 4, out)
	}
	norm("embeddings.LayerNorm")
	for i := range 12 {
		at := fmt.Sprintf("encoder.layer.%d.", i)
		for _, name := range []string{"query", "key", "value"} {
			linear(at+"attention.self."+name, 768, 768)
		}
		linear(at+"attention.output.dense", 768, 768)
		norm(at + "attention.output.LayerNorm")
		linear(at+"intermediate.dense", 3072, 768)
		linear(at+"output.dense", 768, 3072)
		norm(at + "output.LayerNorm")
	}
	linear("pooler.dense", 768, 768)
	s, err := estimate.ReadShape([]byte(`{"model_type":"bert","hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,
		"num_attention_heads":12,"vocab_size":30522,"max_position_embeddings":512}`), []estimate.WeightFile{w.file(t)})
	require.NoError(t, err)
	return s
}

func TestEncoder(t *testing.T) {
	t.Parallel()
	s := bertBase(t)
	assert.EqualValues(t, 109_482_240, s.Parameters)
	_, err := s.Adapt(training.LoRA{R: 8, TargetModules: []string{"q_proj", "gate_proj"}})
	require.ErrorContains(t, err, `place LoRA "gate_proj": the model (bert) has no such module; target_modules can be all-linear, dense, key, query, value`)
	l, err := s.Adapt(training.LoRA{R: 8, TargetModules: []string{"q_proj", "v_proj"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"query", "value"}, l.TargetModules)
	n, err := s.LoRAParameters(l)
	require.NoError(t, err)
	assert.EqualValues(t, 12*2*8*(768+768), n)
	l, err = s.Adapt(training.LoRA{R: 8, TargetModules: []string{"k_proj", "o_proj", "q_proj", "v_proj"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"attention.output.dense", "key", "query", "value"}, l.TargetModules)
}

func TestVisionModelsText(t *testing.T) {
	t.Parallel()
	m := smolLM135M()
	config := fmt.Appendf(nil, `{"model_type":"idefics3","text_config":%s}`, m.config())
	s, err := estimate.ReadShape(config, []estimate.WeightFile{m.weights().file(t)})
	require.NoError(t, err)
	assert.Equal(t, "idefics3", s.Architecture)
	assert.Equal(t, 576, s.Hidden)
}

func TestShapeRefused(t *testing.T) {
	t.Parallel()
	m := smolLM135M()
	good := m.weights().file(t)
	for name, test := range map[string]struct {
		config  string
		weights []estimate.WeightFile
		want    string
	}{
		"no weights":  {string(m.config()), nil, "no safetensors weights"},
		"no JSON":     {`{`, []estimate.WeightFile{good}, `"config.json": it is not as transformers writes it`},
		"wrong type":  {`{"hidden_size":"x"}`, []estimate.WeightFile{good}, "it is not as transformers writes it"},
		"empty":       {`{}`, []estimate.WeightFile{good}, "a hidden size of 0"},
		"negative":    {`{"hidden_size":8,"num_hidden_layers":-1}`, []estimate.WeightFile{good}, "a number of layers of -1"},
		"quantized":   {`{"model_type":"llama","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":1,"vocab_size":8,"quantization_config":{}}`, []estimate.WeightFile{good}, "quantized"},
		"remote code": {`{"model_type":"NewModel","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":1,"vocab_size":8,"auto_map":{"AutoModel":"x.y"}}`, []estimate.WeightFile{good}, "asks to run code of its own"},
		"same twice":  {string(m.config()), []estimate.WeightFile{good, good}, "is also in another file"},
		"no type":     {`{"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":1,"vocab_size":8}`, []estimate.WeightFile{good}, "no model_type"},
		"kv of heads": {`{"model_type":"llama","hidden_size":8,"num_hidden_layers":1,"num_attention_heads":1,"num_key_value_heads":3,"vocab_size":8}`, []estimate.WeightFile{good}, "make no sense"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := estimate.ReadShape([]byte(test.config), test.weights)
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
}

func rawWeights(header string, data int64) estimate.WeightFile {
	start := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	return estimate.WeightFile{Name: "w.safetensors", Data: hollow(start), Size: int64(len(start)) + data}
}

func TestBrokenWeights(t *testing.T) {
	t.Parallel()
	pickle := append([]byte("PK\x03\x04"), make([]byte, 100)...)
	huge := binary.LittleEndian.AppendUint64(nil, 1<<62)
	for name, test := range map[string]struct {
		file estimate.WeightFile
		want string
	}{
		"empty":     {estimate.WeightFile{Data: hollow(nil)}, "it is 0 bytes long"},
		"pickle":    {estimate.WeightFile{Data: hollow(pickle), Size: 104}, "its header claims 67324752 bytes of 104"},
		"pointer":   {estimate.WeightFile{Data: hollow("version https://git-lfs.github.com/spec/v1\n"), Size: 130}, "pointer of Git LFS"},
		"claim":     {estimate.WeightFile{Data: hollow(huge), Size: 8}, "its header claims"},
		"cut":       {estimate.WeightFile{Data: hollow(binary.LittleEndian.AppendUint64(nil, 50)), Size: 100}, "it ends in its header"},
		"not JSON":  {rawWeights("xx", 0), "its header is not JSON"},
		"list":      {rawWeights("[]", 0), "its header is not JSON"},
		"entry":     {rawWeights(`{"a":5}`, 0), `"a" has an invalid description`},
		"type":      {rawWeights(`{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}}`, 4), `unknown type "Q4"`},
		"negative":  {rawWeights(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), "invalid shape"},
		"overflow":  {rawWeights(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 4), "invalid shape"},
		"size":      {rawWeights(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "has 4 bytes, and its shape needs 8"},
		"hole":      {rawWeights(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "not where they should be"},
		"overlap":   {rawWeights(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 6), "not where they should be"},
		"truncated": {rawWeights(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 2), "should have 4 bytes of weights and has 2"},
		"twice":     {rawWeights(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "the name is listed twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := estimate.ReadShape(smolLM135M().config(), []estimate.WeightFile{test.file})
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
	failing := estimate.WeightFile{Name: "w", Data: readerAtFunc(func([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }), Size: 100}
	_, err := estimate.ReadShape(smolLM135M().config(), []estimate.WeightFile{failing})
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Equal(t, fault.Transport, fault.ClassOf(err), "the disk's fault, not the file's")
}

type readerAtFunc func(p []byte, off int64) (int, error)

func (f readerAtFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

func TestSafetensorsIndex(t *testing.T) {
	t.Parallel()
	names, err := estimate.SafetensorsIndex([]byte(`{"weight_map":{"b":"2.safetensors","a":"1.safetensors","c":"2.safetensors"}}`))
	require.NoError(t, err)
	assert.Equal(t, []string{"1.safetensors", "2.safetensors"}, names)
	for _, text := range []string{`{}`, `x`, `{"weight_map":{"a":"../1.safetensors"}}`, `{"weight_map":{"a":"pytorch_model.bin"}}`} {
		_, err := estimate.SafetensorsIndex([]byte(text))
		assert.Equal(t, fault.Input, fault.ClassOf(err), text)
	}
}

// FuzzShape: no file can crash the readers or make them take much memory.
func FuzzShape(f *testing.F) {
	m := decoderModel{"llama", 8, 16, 1, 2, 1, 4, 32, 64, true, false}
	header, err := json.Marshal(m.weights().entries)
	require.NoError(f, err)
	f.Add(m.config(), string(header), m.weights().size)
	f.Add([]byte(`{"model_type":"x","text_config":{"n_embd":1}}`), `{"__metadata__":[],"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, int64(4))
	f.Fuzz(func(t *testing.T, config []byte, header string, data int64) {
		s, err := estimate.ReadShape(config, []estimate.WeightFile{rawWeights(header, data)})
		if err != nil {
			return
		}
		require.Positive(t, s.Hidden)
		require.NotEmpty(t, s.Linear)
		n, err := s.LoRAParameters(training.LoRA{R: 8, TargetModules: []string{"all-linear"}})
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, int64(0))
	})
}

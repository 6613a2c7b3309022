package estimate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
)

// unsparedActivations: all of every layer, without gradient checkpointing.
func unsparedActivations(s Shape, l load) float64 {
	return l.tokens * float64(s.Hidden) * l.width * float64(s.Layers) * layerActivations
}

// TestMemoryCalibration: measured peaks from reports, against the formula. GB
// are 1e9 bytes; the reports do not say which they mean.
func TestMemoryCalibration(t *testing.T) {
	t.Parallel()
	qwen7B := Shape{Parameters: 7_721_324_544, Layers: 32, Hidden: 4096, Vocab: 151_936}
	qwen14B := Shape{Parameters: 14_167_290_880, Layers: 40, Hidden: 5120, Vocab: 152_064}
	llama3B := Shape{Parameters: 3_212_749_824, Layers: 28, Hidden: 3072, Vocab: 128_256}
	llama8B := Shape{Parameters: 8_030_261_248, Layers: 32, Hidden: 4096, Vocab: 128_256}
	// Qwen's own script: rank 64 on c_attn, attn.c_proj, w1, w2 and mlp.c_proj.
	lora7B := int64(64 * 32 * ((4096 + 12288) + (4096 + 4096) + 3*(4096+11008)))
	lora14B := int64(64 * 40 * ((5120 + 15360) + (5120 + 5120) + 3*(5120+13696)))
	inFour := func(s Shape, matrices ...Linear) Shape { s.Linear = matrices; return s }
	// The weights of Qwen's blocks, without embeddings and output layer.
	qwen7BInFour := inFour(qwen7B, Linear{Name: "h.*.mlp.w1", In: 4096, Out: 11008, Count: 32 * 3}, Linear{Name: "h.*.attn.c_attn", In: 4096, Out: 16384, Count: 32})
	const (
		whole     = 1 << iota // logits of all tokens at once, as the report's script makes them
		unspared              // no gradient checkpointing
		offloaded             // inputs of the layers are kept in the memory of the host
		inFourBits
	)
	for name, test := range map[string]struct {
		shape    Shape
		lora     int64
		batch    int
		length   int
		measured float64 // bytes
		how      int
	}{
		"Qwen-7B 256":          {qwen7B, lora7B, 1, 256, 20.1e9, whole},
		"Qwen-7B 1k":           {qwen7B, lora7B, 1, 1024, 21.5e9, whole},
		"Qwen-7B 2k":           {qwen7B, lora7B, 1, 2048, 23.8e9, whole},
		"Qwen-7B 4k":           {qwen7B, lora7B, 1, 4096, 29.7e9, whole},
		"Qwen-7B 8k":           {qwen7B, lora7B, 1, 8192, 36.6e9, whole},
		"Qwen-7B in 4 bits 2k": {qwen7BInFour, lora7B, 1, 2048, 13.9e9, whole | inFourBits},
		"Qwen-14B 2k":          {qwen14B, lora14B, 1, 2048, 37.4e9, whole},
		"PEFT Llama-3.2-3B":    {llama3B, 9_175_040, 4, 768, 22.3e9, whole | unspared},
		"torchtune 8B on 4090": {llama8B, 20_971_520, 2, 2048, 16.2 * (1 << 30), offloaded},
		// The other row of torchtune, 30.3 GiB, is of settings that are not known:
		// between what we predict with and without checkpointing.
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Plan{
				Method: training.SFT, Shape: test.shape, LoRA: &training.LoRA{}, Numerics: training.BF16,
				Config: training.Config{
					BatchSize: test.batch, MaxSeqLength: test.length, Packing: true, LoadIn4Bit: test.how&inFourBits != 0,
				}, Rows: 1, Tokens: 1, // all rows are full
			}
			l := p.load(test.batch)
			m := p.memoryGPU(l, test.lora)
			if test.how&whole != 0 {
				m.logits = p.logits(l, l.tokens)
			}
			if test.how&unspared != 0 {
				m.activations = unsparedActivations(p.Shape, l)
			}
			if test.how&offloaded != 0 {
				m.activations -= l.tokens * float64(p.Shape.Hidden*p.Shape.Layers) * l.width
			}
			assert.InEpsilon(t, test.measured, float64(m.peak()), 0.2, "predicted %s, measured %s", gib(m.peak()), gib(int64(test.measured)))
			t.Logf("%+.1f %%", 100*(float64(m.peak())/test.measured-1))
		})
	}
	p := Plan{Method: training.SFT, Shape: llama8B, LoRA: &training.LoRA{}, Numerics: training.BF16, Config: training.Config{BatchSize: 2, MaxSeqLength: 2048, Packing: true}, Rows: 1, Tokens: 1}
	l := p.load(2)
	spared, unsparing := p.memoryGPU(l, 20_971_520), p.memoryGPU(l, 20_971_520)
	unsparing.activations = unsparedActivations(llama8B, l)
	assert.Less(t, float64(spared.peak()), 30.3*(1<<30))
	assert.Greater(t, float64(unsparing.peak()), 30.3*(1<<30))
}

// TestMemorySavedBy4Bits: torchtune's Llama-3.2-3B took 8.5 GiB with LoRA, and 4.6 GiB with QLoRA. The
// settings that both had are not known, so only the difference is compared.
func TestMemorySavedBy4Bits(t *testing.T) {
	t.Parallel()
	shape := Shape{Parameters: 3_212_749_824, Layers: 28, Hidden: 3072, Vocab: 128_256, Tied: true, Linear: []Linear{
		{Name: "model.layers.*.mlp.up_proj", In: 3072, Out: 8192, Count: 28 * 3},
		{Name: "model.layers.*.self_attn.q_proj", In: 3072, Out: 3072, Count: 28 * 2},
		{Name: "model.layers.*.self_attn.v_proj", In: 3072, Out: 1024, Count: 28 * 2},
	}}
	lora := training.LoRA{R: 8, Alpha: 16, TargetModules: []string{training.AllLinear}}
	p := Plan{
		Method: training.SFT, Shape: shape, LoRA: &lora, Numerics: training.BF16, Rows: 100, Tokens: 51_200,
		Config: training.Config{Epochs: 1, BatchSize: 2, Accumulation: 1, MaxSeqLength: 4096, Packing: true}, Classes: []string{"a100-80gb"},
	}
	whole, err := p.Estimate()
	require.NoError(t, err)
	p.Config.LoadIn4Bit = true
	small, err := p.Estimate()
	require.NoError(t, err)
	assert.InEpsilon(t, 8.5-4.6, float64(whole.Classes[0].NeedBytes-small.Classes[0].NeedBytes)/(1<<30), 0.15)
}

// Test4BitsFitASmallerCard: 8 billion parameters fit a T4 in 4 bits only, and the refusal says so.
func Test4BitsFitASmallerCard(t *testing.T) {
	t.Parallel()
	shape := Shape{Parameters: 8_030_261_248, Layers: 32, Hidden: 4096, Vocab: 128_256, Linear: []Linear{
		{Name: "model.layers.*.mlp.up_proj", In: 4096, Out: 14336, Count: 32 * 3},
		{Name: "model.layers.*.self_attn.q_proj", In: 4096, Out: 4096, Count: 32 * 2},
		{Name: "model.layers.*.self_attn.v_proj", In: 4096, Out: 1024, Count: 32 * 2},
		{Name: "lm_head", In: 4096, Out: 128_256, Count: 1},
	}}
	p := Plan{
		Method: training.SFT, Shape: shape, LoRA: &training.LoRA{R: 8, Alpha: 16, TargetModules: []string{"q_proj", "v_proj"}},
		Numerics: training.FP16, Rows: 100, Tokens: 51_200, Classes: []string{"t4", "a10g"},
		Config: training.Config{Epochs: 1, BatchSize: 1, Accumulation: 1, MaxSeqLength: 2048},
	}
	e, err := p.Estimate()
	require.NoError(t, err)
	assert.Equal(t, []string{"a10g"}, e.Usable())
	p.Config.LoadIn4Bit = true
	e, err = p.Estimate()
	require.NoError(t, err)
	assert.Equal(t, []string{"t4", "a10g"}, e.Usable())

	p.Config.LoadIn4Bit, p.Classes = false, []string{"t4"}
	_, err = p.Estimate()
	require.ErrorContains(t, err, "or set load_in_4bit")
	p.Config.LoadIn4Bit, p.Config.MaxSeqLength = true, 1<<17
	p.Longest = 1 << 17
	_, err = p.Estimate()
	require.ErrorContains(t, err, "t4 needs")
	assert.NotContains(t, err.Error(), "or set load_in_4bit")
}

// TestSpeedCalibration: measured tokens a second of LoRA, against the formula.
func TestSpeedCalibration(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		weights  int // of matrices
		class    string
		measured float64
	}{
		"torchtune Llama-3.2-3B, packed and compiled": {3_212_749_824, "a100-80gb", 8210},
		"Qwen-7B, FlashAttention":                     {7_099_000_000, "a100-80gb", 3150},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gpu, err := GPUOf(test.class)
			assert.NoError(t, err)
			p := Plan{Method: training.SFT, LoRA: &training.LoRA{}, Numerics: training.BF16, Shape: Shape{Linear: []Linear{{In: test.weights, Out: 1, Count: 1}}}, Rows: 1, Tokens: 2048}
			assert.InEpsilon(t, test.measured, p.formulaSpeed(gpu, 1), 0.3)
		})
	}
}

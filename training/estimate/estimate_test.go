package estimate_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

func planOf(t testing.TB, m decoderModel, method training.Method, classes ...string) estimate.Plan {
	t.Helper()
	c, lora, _, err := training.Resolve(method, training.Settings{}, training.LoRASettings{})
	require.NoError(t, err)
	n, err := estimate.PinNumerics(classes, "")
	require.NoError(t, err)
	list, err := estimate.DefaultPrices()
	require.NoError(t, err)
	return estimate.Plan{
		Method: method, Model: "m", Shape: m.shape(t), Config: c, LoRA: lora, Numerics: n, Classes: classes,
		Rows: 1000, Tokens: 200_000, Longest: 400, EvalRows: 100, EvalTokens: 20_000, Prices: list.Prices,
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	p := planOf(t, llama31of8B(), training.SFT, "t4", "a10g", "a100-80gb")
	e, err := p.Estimate()
	require.NoError(t, err)
	assert.EqualValues(t, 8_030_261_248, e.Parameters)
	assert.EqualValues(t, 600_000, e.Tokens)
	assert.Equal(t, 3*63, e.Steps)
	assert.Equal(t, training.FP16, e.Numerics)
	require.Len(t, e.Classes, 3)
	t4, a10g, a100 := e.Classes[0], e.Classes[1], e.Classes[2]
	assert.False(t, t4.Fits)
	assert.Equal(t, estimate.Unknown, t4.Source)
	assert.Nil(t, t4.CostUSD)
	assert.Contains(t, t4.Reason, "GiB with a micro-batch of 1 and has 15.0 GiB")
	assert.True(t, a10g.Fits)
	assert.Equal(t, 4, a100.MicroBatch)
	assert.Equal(t, estimate.Formula, a100.Source)
	assert.Greater(t, a10g.Seconds, a100.Seconds)
	assert.InDelta(t, a100.Seconds*2.5/3600, *a100.CostUSD, 1e-9)
	assert.Equal(t, []string{"a10g", "a100-80gb"}, e.Usable())

	text, err := json.Marshal(t4)
	require.NoError(t, err)
	for _, key := range []string{"class", "fits", "need_bytes", "has_bytes", "tokens_per_second", "seconds", "cost_usd", "source", "micro_batch", "accumulation", "reason"} {
		assert.Contains(t, string(text), `"`+key+`":`)
	}
}

// TestEstimateMicroBatch: what does not fit is halved, and the product stays.
func TestEstimateMicroBatch(t *testing.T) {
	t.Parallel()
	p := planOf(t, llama32of3B(), training.DPO, "a10g")
	p.Config.BatchSize, p.Config.Accumulation, p.Config.MaxSeqLength, p.Longest = 16, 2, 4096, 0
	e, err := p.Estimate()
	require.NoError(t, err)
	c := e.Classes[0]
	assert.Less(t, c.MicroBatch, 16)
	assert.Equal(t, 32, c.MicroBatch*c.Accumulation)
	p.Config.BatchSize, p.Config.Accumulation = 2*c.MicroBatch, 1
	again, err := p.Estimate()
	require.NoError(t, err)
	assert.Equal(t, c.MicroBatch, again.Classes[0].MicroBatch, "it is the largest that fits")
}

func TestEstimateOrder(t *testing.T) {
	t.Parallel()
	need := func(change func(p *estimate.Plan)) int64 {
		p := planOf(t, llama32of3B(), training.SFT, "b200")
		p.Config.BatchSize = 1
		change(&p)
		e, err := p.Estimate()
		require.NoError(t, err)
		return e.Classes[0].NeedBytes
	}
	base := need(func(*estimate.Plan) {})
	assert.Greater(t, need(func(p *estimate.Plan) { p.Numerics = training.FP32 }), base)
	assert.Greater(t, need(func(p *estimate.Plan) { p.LoRA = nil }), 3*base, "Adam's moments of all weights")
	assert.Greater(t, need(func(p *estimate.Plan) { p.Config.BatchSize = 4 }), base)
	assert.Greater(t, need(func(p *estimate.Plan) { p.Config.Packing = true }), base, "packed rows are as long as they may be")
	assert.Greater(t, need(func(p *estimate.Plan) { p.Method = training.DPO }), base)
	assert.Less(t, need(func(p *estimate.Plan) { p.Longest = 50 }), base)
}

func TestEstimateEmbedding(t *testing.T) {
	t.Parallel()
	p := planOf(t, smolLM135M(), training.Embedding, "cpu")
	p.Shape = bertBase(t)
	lora, err := p.Shape.Adapt(*p.LoRA)
	require.NoError(t, err)
	p.LoRA = &lora
	e, err := p.Estimate()
	require.NoError(t, err)
	c := e.Classes[0]
	assert.True(t, c.Fits)
	assert.Zero(t, c.HasBytes)
	assert.Equal(t, "the memory of its workers is not known here", c.Reason)
	assert.Zero(t, *c.CostUSD)
	p.CPUBytes = 64 << 30
	e, err = p.Estimate()
	require.NoError(t, err)
	assert.Empty(t, e.Classes[0].Reason)
}

func TestEstimateMeasured(t *testing.T) {
	t.Parallel()
	p := planOf(t, smolLM135M(), training.SFT, "a10g")
	p.EvalTokens = 0
	of := estimate.Speed{Model: "m", Method: training.SFT, Class: "a10g", Numerics: training.BF16, LoRA: true, TokensPerSecond: 1000, StartupSeconds: 7}
	older, other := of, of
	older.TokensPerSecond = 10
	other.Numerics, other.TokensPerSecond = training.FP16, 10
	p.Speeds = []estimate.Speed{older, of, other}
	e, err := p.Estimate()
	require.NoError(t, err)
	assert.Equal(t, estimate.Measured, e.Classes[0].Source)
	assert.InDelta(t, 7+600, e.Classes[0].Seconds, 1e-6)
}

// TestEstimateAnswers: base and best are scored on answers alone too, few rows more often.
func TestEstimateAnswers(t *testing.T) {
	t.Parallel()
	seconds := func(method training.Method, rows int) float64 {
		p := planOf(t, smolLM135M(), method, "a10g")
		p.EvalRows = rows
		e, err := p.Estimate()
		require.NoError(t, err)
		return e.Classes[0].Seconds
	}
	pass := seconds(training.SFT, 200) - seconds(training.SFT, 256)
	assert.InDelta(t, 0, pass, 1e-9, "one other question per row")
	pass = (seconds(training.SFT, 100) - seconds(training.SFT, 200)) / 2
	assert.Positive(t, pass, "two other questions per row")
	assert.InDelta(t, 14*pass, seconds(training.SFT, 20)-seconds(training.SFT, 200), 1e-6, "eight")
	assert.InDelta(t, seconds(training.DPO, 20), seconds(training.DPO, 200), 1e-9)
}

func TestEstimateRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(p *estimate.Plan)
		class  fault.Class
		want   string
	}{
		"nothing fits":  {func(p *estimate.Plan) { p.Classes, p.LoRA = []string{"t4", "l4"}, nil }, fault.Input, `fit the job on a GPU "m": t4 needs `},
		"hint":          {func(p *estimate.Plan) { p.Classes, p.LoRA = []string{"t4"}, nil }, fault.Input, "make max_seq_length smaller or use LoRA"},
		"over budget":   {func(p *estimate.Plan) { p.BudgetUSD = 0.001 }, fault.Budget, "a100-80gb costs about 0."},
		"unknown price": {func(p *estimate.Plan) { p.Classes, p.BudgetUSD = []string{"h200"}, 100 }, fault.Budget, "h200 has no known price, and budget_usd is a hard limit"},
		"no class":      {func(p *estimate.Plan) { p.Classes = nil }, fault.Input, "no class is named"},
		"unknown class": {func(p *estimate.Plan) { p.Classes = []string{"v100"} }, fault.Input, "not found"},
		"empty":         {func(p *estimate.Plan) { p.Tokens = 0 }, fault.Input, "the dataset is empty"},
		"too long":      {func(p *estimate.Plan) { p.Config.MaxSeqLength = 1 << 18 }, fault.Input, "max_seq_length 262144 is more than the 131072 positions"},
		"modules":       {func(p *estimate.Plan) { p.LoRA.TargetModules = []string{"query"} }, fault.Input, "no such module"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := planOf(t, llama31of8B(), training.SFT, "a100-80gb")
			test.change(&p)
			_, err := p.Estimate()
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, test.class, fault.ClassOf(err))
		})
	}
	p := planOf(t, llama31of8B(), training.SFT, "a100-80gb", "h200")
	p.BudgetUSD = 100
	e, err := p.Estimate()
	require.NoError(t, err)
	assert.Equal(t, []string{"a100-80gb"}, e.Usable(), "what has no price is left out under a budget")
}

func TestSmallerBatch(t *testing.T) {
	t.Parallel()
	for _, want := range [][2]int{{6, 8}, {3, 16}, {1, 48}} {
		micro, accumulation, ok := estimate.SmallerBatch(12, 4)
		for micro > want[0] && ok {
			micro, accumulation, ok = estimate.SmallerBatch(micro, accumulation)
		}
		assert.Equal(t, want, [2]int{micro, accumulation})
	}
	_, _, ok := estimate.SmallerBatch(1, 48)
	assert.False(t, ok)
}

package estimate_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/video"
)

func TestEveryClassIsKnown(t *testing.T) {
	t.Parallel()
	for _, class := range video.GPUClasses() {
		g, err := estimate.GPUOf(class)
		require.NoError(t, err)
		assert.Equal(t, class, g.Class)
		assert.Equal(t, class != "cpu", g.MemoryBytes > 0 && g.TFLOPS16 > g.TFLOPS32 && g.TFLOPS32 > 0 && g.MFU > 0)
		assert.Equal(t, class != "cpu" && class != "t4", g.BF16)
	}
	_, err := estimate.GPUOf("v100")
	require.ErrorContains(t, err, `choose GPU "v100": not found; supported: cpu, t4`)
	assert.Equal(t, fault.Input, fault.ClassOf(err))
}

func TestPinNumerics(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		classes []string
		want    training.Numerics
		got     training.Numerics
		err     string
	}{
		{[]string{"cpu"}, "", training.FP32, ""},
		{[]string{"a10g", "h100"}, "", training.BF16, ""},
		{[]string{"a10g", "t4"}, "", training.FP16, ""},
		{[]string{"h100", "cpu"}, "", training.FP32, ""},
		{[]string{"t4"}, training.FP32, training.FP32, ""},
		{[]string{"h100"}, training.FP16, training.FP16, ""},
		{[]string{"a10g"}, training.BF16, training.BF16, ""},
		{[]string{"a10g", "t4"}, training.BF16, "", "t4 cannot compute in bfloat16"},
		{[]string{"cpu"}, training.BF16, "", "leave cpu out"},
		{[]string{"cpu"}, "int8", "", "supported: fp32, fp16, bf16"},
		{nil, "", "", "no GPU class is named"},
		{[]string{"rtx"}, "", "", "not found"},
	} {
		n, err := estimate.PinNumerics(test.classes, test.want)
		assert.Equal(t, test.got, n, test.classes)
		if test.err == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, test.err)
		assert.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

func TestPrices(t *testing.T) {
	t.Parallel()
	list, err := estimate.DefaultPrices()
	require.NoError(t, err)
	assert.NotEmpty(t, list.Source)
	assert.InDelta(t, 2.5, *list.Prices.CostUSD("a100-80gb", 3600), 1e-9)
	assert.Zero(t, *list.Prices.CostUSD("cpu", 3600))
	assert.Nil(t, list.Prices.CostUSD("h200", 3600))
	over := list.Prices.With(estimate.Prices{"h200": 3, "t4": 0.2})
	assert.InDelta(t, 3, *over.CostUSD("h200", 3600), 0)
	assert.InDelta(t, 0.59, *list.Prices.CostUSD("t4", 3600), 1e-9, "the shipped table is as it was")
	assert.Equal(t, estimate.Prices{"t4": 1}, estimate.Prices(nil).With(estimate.Prices{"t4": 1}))
	require.ErrorContains(t, estimate.Prices{"gpu": 1}.Check(), "not found")
	require.ErrorContains(t, estimate.Prices{"t4": -1}.Check(), "must be 0 to 10000")
}

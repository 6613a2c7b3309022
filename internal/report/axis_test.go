package report

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLinearTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		low, high float64
		whole     bool
		want      []string
	}{
		{0, 1, false, []string{"0", "0.25", "0.50", "0.75", "1.00"}},
		{1.05, 1.96, false, []string{"1.2", "1.4", "1.6", "1.8"}},
		{28, 72, false, []string{"30", "40", "50", "60", "70"}},
		{0, 2e-4, false, []string{"0", "5e-5", "1e-4", "1.5e-4", "2e-4"}},
		{-0.742, 0.05, false, []string{"-0.6", "-0.4", "-0.2", "0"}},
		{1e6, 1e6 + 10, false, []string{"1e6", "1.0000025e6", "1.000005e6", "1.0000075e6", "1.00001e6"}},
		{719, 781, false, []string{"720", "740", "760", "780"}},
		{0, 13, true, []string{"0", "4", "8", "12"}},
		{0, 1, true, []string{"0", "1"}},
		{0, 2, true, []string{"0", "1", "2"}},
		{0, 30, true, []string{"0", "10", "20", "30"}},
		{0, 21, true, []string{"0", "5", "10", "15", "20"}},
		{0, 2500, true, []string{"0", "500", "1,000", "1,500", "2,000", "2,500"}},
	} {
		_, got := linearTicks(c.low, c.high, c.whole)
		assert.Equal(t, c.want, got, "%v to %v", c.low, c.high)
	}
}

func TestLogTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		low, high float64
		want      []string
	}{
		{0.1, 10, []string{"0.1", "0.2", "0.5", "1", "2", "5", "10"}},
		{0.02, 9, []string{"0.03", "0.1", "0.3", "1", "3"}},
		{1e-5, 1, []string{"1e-5", "1e-4", "0.001", "0.01", "0.1", "1"}},
		{1e-12, 1e8, []string{"1e-12", "1e-9", "1e-6", "0.001", "1", "1,000", "1e6"}},
	} {
		require.True(t, spansDecades(c.low, c.high))
		_, got := logTicksOf(c.low, c.high)
		assert.Equal(t, c.want, got, "%v to %v", c.low, c.high)
	}
	assert.False(t, spansDecades(0, 100))
	assert.False(t, spansDecades(1, 99))
	assert.False(t, spansDecades(1, math.Inf(1)))
}

func TestStepTicks(t *testing.T) {
	t.Parallel()
	label := func(last float64) (out []string) {
		for _, tick := range StepTicks(last) {
			out = append(out, tick.Label)
		}
		return out
	}
	assert.Equal(t, []string{"0", "100k", "200k", "300k", "400k"}, label(410_000))
	assert.Equal(t, []string{"0", "40k", "80k", "120k"}, label(120_000))
	assert.Equal(t, []string{"0", "0.5M", "1M", "1.5M"}, label(1.6e6))
	assert.Equal(t, []string{"0", "25,000", "50,000", "75,000"}, label(90_000))
	assert.Equal(t, []string{"0", "2.5M", "5M", "7.5M"}, label(8e6))
	assert.Equal(t, []string{"0", "1"}, label(0))
}

// TestAxesHaveEnoughTicks: for any values, an axis has at least four labels. They are
// distinct, ascending and within the axis, and few enough not to touch.
func TestAxesHaveEnoughTicks(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	check := func(values []float64, labels []string, low, high float64, most int) {
		t.Helper()
		require.GreaterOrEqual(t, len(values), minTicks, "%v to %v: %v", low, high, labels)
		require.LessOrEqual(t, len(values), most, "%v to %v: %v", low, high, labels)
		seen := map[string]bool{}
		slack := (high - low) * 1e-6
		for i, v := range values {
			require.False(t, seen[labels[i]], "%v to %v: %v", low, high, labels)
			seen[labels[i]] = true
			require.True(t, v >= low-slack && v <= high+slack, "%v to %v: %v", low, high, v)
			require.True(t, i == 0 || v > values[i-1])
		}
	}
	for range 20_000 {
		low := (rng.Float64() - 0.5) * math.Pow10(rng.IntN(16)-8)
		high := low + (0.1+rng.Float64())*math.Pow10(rng.IntN(16)-8)
		if high-low < math.Abs(low)*1e-6 {
			continue
		}
		values, labels := linearTicks(low, high, false)
		check(values, labels, low, high, 8)

		last := float64(3 + rng.IntN(1<<rng.IntN(30)))
		values, labels = linearTicks(0, last, true)
		check(values, labels, 0, last, MaxTicks)
		require.GreaterOrEqual(t, len(LinearTicks(low, high)), minTicks)
		require.LessOrEqual(t, len(LinearTicks(low, high)), MaxTicks)

		from := math.Pow(10, rng.Float64()*20-10)
		to := from * math.Pow(10, logDecades+rng.Float64()*15)
		values, labels = logTicksOf(from, to)
		check(values, labels, from, to, 9)
	}
}

// TestSmallSteps: labels of values that are close together, but not small, have no powers of ten.
func TestSmallSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		low, high float64
		want      []string
	}{
		{0.6908, 0.6932, []string{"0.6910", "0.6915", "0.6920", "0.6925", "0.6930"}},
		{0, 2e-4, []string{"0", "5e-5", "1e-4", "1.5e-4", "2e-4"}},
	} {
		_, labels := linearTicks(c.low, c.high, false)
		require.Equal(t, c.want, labels)
	}
}

package training_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

func rowsOf(metric string, values ...float64) []training.RowValues {
	rows := make([]training.RowValues, len(values))
	for i, v := range values {
		rows[i] = training.RowValues{Row: i, Values: map[string]float64{metric: v}}
	}
	return rows
}

func TestCompareExact(t *testing.T) {
	t.Parallel()
	// Seven rows that all improve: of 2^7 sign patterns two are as extreme.
	c, err := training.Compare(training.SFT, rowsOf("loss", 2, 2, 2, 2, 2, 2, 2), rowsOf("loss", 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6))
	require.NoError(t, err)
	assert.InDelta(t, 2.0/128, c.PValue, 1e-12)
	assert.Equal(t, "sign-flip, exact", c.Test)
	assert.True(t, c.Better)
	assert.True(t, c.LowerIsBetter)
	assert.InDelta(t, -0.7, c.Difference, 1e-12)
	assert.LessOrEqual(t, c.CILow, c.Difference)
	assert.GreaterOrEqual(t, c.CIHigh, c.Difference)
	assert.Negative(t, c.CIHigh)
	assert.Contains(t, c.Verdict, "better than its base: mean loss per row on 7 held-out rows went from 2 to 1.3 (difference -0.7, 95 % interval -")

	// Differences 1, 2, 3 and -4: |sum| = 2; by hand 12 of 16 patterns reach it.
	c, err = training.Compare(training.SFT, rowsOf("loss", 0, 0, 0, 0), rowsOf("loss", 1, 2, 3, -4))
	require.NoError(t, err)
	hits := 0
	for mask := range 16 {
		s := 0
		for i, d := range []int{1, 2, 3, 4} {
			s += d * (1 - 2*(mask>>i&1))
		}
		if s >= 2 || s <= -2 {
			hits++
		}
	}
	assert.InDelta(t, float64(hits)/16, c.PValue, 1e-12)
	assert.Contains(t, c.Verdict, "too few rows to tell")
}

func TestCompareMcNemar(t *testing.T) {
	t.Parallel()
	base, best := make([]float64, 40), make([]float64, 40)
	for i := range 10 {
		best[i] = 1 // gained
	}
	base[39] = 1 // lost
	c, err := training.Compare(training.Embedding, rowsOf("accuracy", base...), rowsOf("accuracy", best...))
	require.NoError(t, err)
	assert.Equal(t, "McNemar, exact", c.Test)
	assert.InDelta(t, 2*12.0/2048, c.PValue, 1e-12, "1 + 11 of 2^11, both tails")
	assert.True(t, c.Better)
	worse, err := training.Compare(training.Embedding, rowsOf("accuracy", best...), rowsOf("accuracy", base...))
	require.NoError(t, err)
	assert.False(t, worse.Better)
	assert.InDelta(t, c.PValue, worse.PValue, 1e-12)
	assert.Contains(t, worse.Verdict, "worse than its base")
	same, err := training.Compare(training.Embedding, rowsOf("accuracy", base...), rowsOf("accuracy", base...))
	require.NoError(t, err)
	assert.InDelta(t, 1, same.PValue, 0)
}

func TestCompareMetric(t *testing.T) {
	t.Parallel()
	both := []training.RowValues{{Row: 0, Values: map[string]float64{"ndcg": 0.5, "accuracy": 1}}}
	c, err := training.Compare(training.Embedding, both, both)
	require.NoError(t, err)
	assert.Equal(t, "ndcg", c.Metric)
	c, err = training.Compare(training.Embedding, both, rowsOf("accuracy", 1))
	require.NoError(t, err)
	assert.Equal(t, "accuracy", c.Metric)
	for want, sides := range map[string][2][]training.RowValues{
		"have no loss":                             {both, both},
		"on 1 rows and the trained":                {rowsOf("loss", 1), nil},
		"row 0 of the base is compared with row 1": {rowsOf("loss", 1), rowsOf("loss", 1, 2)[1:]},
		"on 2 rows and the trained mod":            {rowsOf("loss", 1, 2), rowsOf("loss", 1)},
	} {
		_, err = training.Compare(training.DPO, sides[0], sides[1])
		require.ErrorContains(t, err, want)
		assert.Equal(t, fault.Input, fault.ClassOf(err))
	}
	c, err = training.Compare(training.DPO, nil, nil)
	require.NoError(t, err)
	assert.False(t, c.Better)
	assert.Equal(t, "not compared: no rows were held out", c.Verdict)
}

func TestCompareBrokenModel(t *testing.T) {
	t.Parallel()
	base := rowsOf("loss", 2, 2, 2, 2, 2, 2, 2, math.NaN())
	c, err := training.Compare(training.SFT, base, rowsOf("loss", 1, 1, 1, 1, 1, 1, 1, 1))
	require.NoError(t, err)
	assert.True(t, c.Better, "the base fails on a row")
	assert.Equal(t, 7, c.N)
	assert.Equal(t, 1, c.Missing)
	c, err = training.Compare(training.SFT, base, rowsOf("loss", 1, 1, 1, 1, 1, 1, math.NaN(), 1))
	require.NoError(t, err)
	assert.False(t, c.Better)
	assert.Contains(t, c.Verdict, "on 1 of 8 held-out rows the trained model gives no finite loss")
}

// chance makes base and best of n rows: rows differ much, the models by shift.
func chance(draws *rand.Rand, n int, shift float64, binary bool) (base, best []float64) {
	for range n {
		row := draws.NormFloat64() * 3
		a, b := row+draws.NormFloat64(), row+draws.NormFloat64()+shift
		if binary {
			a, b = float64(draws.IntN(2)), 0
			if draws.Float64() < 0.5+shift {
				b = 1
			}
		}
		base, best = append(base, a), append(best, b)
	}
	return base, best
}

// TestCompareNull: of equally good models one in twenty looks different, half of
// those better. TestComparePower: a real difference is found.
func TestCompareNull(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method training.Method
		metric string
		n      int
		binary bool
	}{
		"drawn":   {training.SFT, "loss", 20, false},
		"exact":   {training.DPO, "loss", 12, false},
		"McNemar": {training.Embedding, "accuracy", 80, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draws := rand.New(rand.NewPCG(7, 7))
			found, better := 0, 0
			for range 500 {
				base, best := chance(draws, test.n, 0, test.binary)
				c, err := training.Compare(test.method, rowsOf(test.metric, base...), rowsOf(test.metric, best...))
				require.NoError(t, err)
				if c.PValue < 0.05 {
					found++
				}
				if c.Better {
					better++
				}
			}
			t.Logf("%d of 500 significant, %d better", found, better)
			assert.LessOrEqual(t, found, 40, "three standard deviations above 25")
			assert.LessOrEqual(t, better, 23, "three above 12.5")
			assert.Positive(t, found)
		})
	}
}

func TestComparePower(t *testing.T) {
	t.Parallel()
	draws := rand.New(rand.NewPCG(8, 8))
	found, covered := 0, 0
	for range 100 {
		base, best := chance(draws, 40, -1, false)
		c, err := training.Compare(training.SFT, rowsOf("loss", base...), rowsOf("loss", best...))
		require.NoError(t, err)
		if c.Better {
			found++
		}
		if c.CILow <= -1 && -1 <= c.CIHigh {
			covered++
		}
	}
	t.Logf("found %d of 100, interval covers %d", found, covered)
	assert.GreaterOrEqual(t, found, 95)
	assert.GreaterOrEqual(t, covered, 85)
}

func TestCompareIsDeterministic(t *testing.T) {
	t.Parallel()
	base, best := chance(rand.New(rand.NewPCG(9, 9)), 200, -0.1, false)
	first, err := training.Compare(training.SFT, rowsOf("loss", base...), rowsOf("loss", best...))
	require.NoError(t, err)
	second, err := training.Compare(training.SFT, rowsOf("loss", base...), rowsOf("loss", best...))
	require.NoError(t, err)
	assert.Equal(t, first, second)
	assert.Equal(t, "sign-flip, 10000 draws", first.Test)
}

func TestReadRowValues(t *testing.T) {
	t.Parallel()
	rows, err := training.ReadRowValues(strings.NewReader(`{"row":0,"loss":1.5,"accuracy":0.25}` + "\n" + `{"row":1,"loss":null}` + "\n"))
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, training.RowValues{Row: 0, Values: map[string]float64{"loss": 1.5, "accuracy": 0.25}}, rows[0])
	assert.True(t, math.IsNaN(rows[1].Values["loss"]))
	for text, want := range map[string]string{
		`{"row":1}`: "expected row 0", `{}`: "expected row 0", `{"row":0,"loss":"x"}`: "line 1", `x`: "line 1",
		strings.Repeat("x", 100_000): "token too long",
	} {
		_, err := training.ReadRowValues(strings.NewReader(text))
		require.ErrorContains(t, err, want)
		assert.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

// TestCompareRatedAnswers: kto is judged by margins; its loss also falls where all answers become
// less likely.
func TestCompareRatedAnswers(t *testing.T) {
	t.Parallel()
	const n = 12
	base := valuesOf(map[string][]float64{"margin": repeated(n, 0), "loss": repeated(n, 0.5)})
	c, err := training.Compare(training.KTO, base, valuesOf(map[string][]float64{"margin": repeated(n, 0), "loss": repeated(n, 0.2)}))
	require.NoError(t, err)
	assert.False(t, c.Better)
	assert.Equal(t, "margin", c.Metric)
	assert.False(t, c.LowerIsBetter)
	c, err = training.Compare(training.KTO, base, valuesOf(map[string][]float64{"margin": repeated(n, 0.4), "loss": repeated(n, 0.5)}))
	require.NoError(t, err)
	assert.True(t, c.Better, c.Verdict)
	assert.Nil(t, c.Match)

	few, err := training.Compare(training.KTO, base[:6], valuesOf(map[string][]float64{"margin": repeated(6, 0.4)}))
	require.NoError(t, err)
	assert.False(t, few.Better)
	assert.Contains(t, few.Verdict, "too few rows to tell")
	mixed := repeated(n, 0.4)
	mixed[0], mixed[1], mixed[2] = -0.35, -0.35, -0.1
	c, err = training.Compare(training.KTO, base, valuesOf(map[string][]float64{"margin": mixed}))
	require.NoError(t, err)
	assert.False(t, c.Better, "p = %v", c.PValue)
	assert.Greater(t, 0.05, c.PValue, "the level of one look at the rows is not enough")
	assert.Less(t, 0.02, c.PValue)
	assert.Contains(t, c.Verdict, "not shown to be better: chance can explain it")

	none := valuesOf(map[string][]float64{"margin": repeated(n, math.NaN()), "loss": repeated(n, 0.5)})
	c, err = training.Compare(training.KTO, none, none)
	require.NoError(t, err)
	assert.False(t, c.Better)
	assert.Equal(t, "not compared: none of 12 held-out rows has a margin", c.Verdict)
}

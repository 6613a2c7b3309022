package training_test

import (
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
)

// valuesOf makes rows of several metrics from columns.
func valuesOf(columns map[string][]float64) []training.RowValues {
	var rows []training.RowValues
	for name, values := range columns {
		for i, v := range values {
			if i == len(rows) {
				rows = append(rows, training.RowValues{Row: i, Values: map[string]float64{}})
			}
			rows[i].Values[name] = v
		}
	}
	return rows
}

func repeated(n int, v float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// TestMatch: answers that became likelier whatever is asked are not better, those that
// became likelier after their own questions are.
func TestMatch(t *testing.T) {
	t.Parallel()
	const n = 10
	base := valuesOf(map[string][]float64{"answer_loss": repeated(n, 5), "other_loss": repeated(n, 5), "loss": repeated(n, 4)})
	after := func(own, other float64) []training.RowValues {
		return valuesOf(map[string][]float64{"answer_loss": repeated(n, own), "other_loss": repeated(n, other), "loss": repeated(n, 1)})
	}
	compare := func(base, best []training.RowValues) training.Comparison {
		c, err := training.Compare(training.SFT, base, best)
		require.NoError(t, err)
		return c
	}
	form := compare(base, after(2, 2))
	assert.False(t, form.Better)
	assert.Equal(t, "answer_loss", form.Metric)
	assert.Contains(t, form.Verdict, "not shown to be better: it learned the form of the answers")
	require.NotNil(t, form.Match)
	assert.Equal(t, training.Match{Metric: "other_loss", Own: 3, Other: 3, PValue: 1, N: n}, *form.Match)

	learned := compare(base, after(2, 3))
	assert.True(t, learned.Better)
	assert.True(t, learned.Match.Learned)
	assert.InDelta(t, 1, learned.Match.Difference, 1e-12)
	assert.InDelta(t, 2.0/1024, learned.Match.PValue, 1e-12)
	assert.Contains(t, learned.Verdict, "own questions gained 3, questions of other rows 2")

	confused := compare(base, after(3, 2))
	assert.False(t, confused.Better, "the answers of other rows became likelier")
	worse := compare(base, after(6, 8))
	assert.False(t, worse.Better, "a larger distance alone is no gain")
	assert.Contains(t, worse.Verdict, "worse than its base")

	few := compare(base[:6], after(2, 3)[:6])
	assert.False(t, few.Better)
	assert.Contains(t, few.Verdict, "too few rows")

	// A job that an earlier build began has a base without these values.
	old := valuesOf(map[string][]float64{"loss": repeated(n, 4)})
	former := compare(old, after(2, 2))
	assert.Equal(t, "loss", former.Metric)
	assert.Nil(t, former.Match)
	assert.True(t, former.Better)

	// Rows that have no other row to compare with are judged by their own gain.
	alone := repeated(n, math.NaN())
	same := compare(
		valuesOf(map[string][]float64{"answer_loss": repeated(n, 5), "other_loss": alone}),
		valuesOf(map[string][]float64{"answer_loss": repeated(n, 2), "other_loss": alone}))
	assert.Nil(t, same.Match)
	assert.True(t, same.Better)
}

// TestMatchPrompts: what is learned about templates and questions does not count.
func TestMatchPrompts(t *testing.T) {
	t.Parallel()
	const n = 20
	base := valuesOf(map[string][]float64{"answer_loss": repeated(n, 2), "other_loss": repeated(n, 3), "loss": repeated(n, 4)})
	best := valuesOf(map[string][]float64{"answer_loss": repeated(n, 2), "other_loss": repeated(n, 3), "loss": repeated(n, 1)})
	c, err := training.Compare(training.SFT, base, best)
	require.NoError(t, err)
	assert.False(t, c.Better)
	assert.Zero(t, c.Difference)
}

// recorded reads what trainer/tests/noise.py printed: the comparison of each seed.
func recorded(t *testing.T, method training.Method, name string) []training.Comparison {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".csv"))
	require.NoError(t, err)
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	names := lines[0][1:]
	names = names[:len(names)/2]
	var out []training.Comparison
	var sides [2][]training.RowValues
	for i, line := range lines[1:] {
		for side := range sides {
			row := training.RowValues{Row: len(sides[side]), Values: map[string]float64{}}
			for k, metric := range names {
				row.Values[metric], err = strconv.ParseFloat(line[1+side*len(names)+k], 64)
				require.NoError(t, err)
			}
			sides[side] = append(sides[side], row)
		}
		if i+2 < len(lines) && lines[i+2][0] == line[0] {
			continue
		}
		c, err := training.Compare(method, sides[0], sides[1])
		require.NoError(t, err)
		out, sides = append(out, c), [2][]training.RowValues{}
	}
	return out
}

// TestRecorded: of real trainings on answers that have nothing to do with their questions at
// most one in twenty is better, although the answers became much likelier in all. Of trainings
// on answers that follow from their questions at least four in five are.
func TestRecorded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		method training.Method
		seeds  int
		least  int
		most   int
	}{
		{"sft-noise", training.SFT, 100, 0, 5},
		{"dpo-noise", training.DPO, 38, 0, 1},
		{"kto-noise", training.KTO, 100, 0, 5},
		{"kto-rule", training.KTO, 40, 32, 40},
		{"sft-rule", training.SFT, 28, 23, 28},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			better, gained := 0, 0
			all := recorded(t, test.method, test.name)
			require.Len(t, all, test.seeds)
			for _, c := range all {
				if c.Better {
					better++
				}
				if c.PValue < 0.05 && (c.Difference < 0) == c.LowerIsBetter {
					gained++
				}
			}
			t.Logf("%d of %d better, %d by the first test alone", better, test.seeds, gained)
			assert.GreaterOrEqual(t, better, test.least)
			assert.LessOrEqual(t, better, test.most)
			if test.method == training.SFT {
				assert.Equal(t, test.seeds, gained, "without the second test all would be better")
			}
		})
	}
}

// simulated makes an evaluation of 200 rows with answers of 20 tokens. Both models share what
// is hard about a row. Training makes each answer likelier by form, whatever is asked. Of all
// tokens a tenth change sides: points more are predicted from the question than before.
func simulated(draws *rand.Rand, points float64) (base, best []training.RowValues) {
	const rows, tokens = 200, 20
	const sure, unsure = 0.2, 2.2 // loss of a token that was predicted, and of another
	const form = 1.5              // loss that every answer gains
	columns := [2]map[string][]float64{{}, {}}
	for range rows {
		hard, own, other := 0.3*draws.NormFloat64(), [2]int{}, [2]int{}
		for range tokens {
			before := draws.Float64() < 0.5
			after := before
			if churn := 0.05 - points/2; before && draws.Float64() < 2*churn {
				after = false
			} else if !before && draws.Float64() < 2*(churn+points) {
				after = true
			}
			for side, hit := range []bool{before, after} {
				if hit {
					own[side]++
				}
			}
			if draws.Float64() < 0.3 { // what answers have in common
				other[0]++
				other[1]++
			}
		}
		for side, gain := range []float64{0, form} {
			shared := gain * 0.3 * draws.NormFloat64()
			c := columns[side]
			c["answer_loss"] = append(c["answer_loss"], 4+hard-gain-shared-float64(own[side])/tokens*(unsure-sure)+0.02*draws.NormFloat64())
			c["other_loss"] = append(c["other_loss"], 4+hard-gain-shared-float64(other[side])/tokens*(unsure-sure)+0.02*draws.NormFloat64())
		}
	}
	return valuesOf(columns[0]), valuesOf(columns[1])
}

// TestTwoPoints: where training raises the share of predicted answer tokens by two points, 200
// held-out rows show it in at least 80 of 100 seeds; where it raises nothing, in at most 5.
func TestTwoPoints(t *testing.T) {
	t.Parallel()
	for points, ok := range map[float64]func(int) bool{
		0:    func(n int) bool { return n <= 5 },
		0.02: func(n int) bool { return n >= 80 },
	} {
		better := 0
		draws := rand.New(rand.NewPCG(10, 10))
		for range 100 {
			base, best := simulated(draws, points)
			c, err := training.Compare(training.SFT, base, best)
			require.NoError(t, err)
			if c.Better {
				better++
			}
		}
		t.Logf("%v points: %d of 100 better", 100*points, better)
		assert.True(t, ok(better), "%v: %d", points, better)
	}
}

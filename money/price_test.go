package money_test

import (
	"math"
	"math/big"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
)

func TestCost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		price         money.Price
		input, output int
		want          int64
	}{
		{money.Price{Input: 0.5, Output: 5}, 400, 20, 300},
		{money.Price{Input: 1.1}, 10, 0, 11}, // 11.000000000000002 in binary
		{money.Price{Input: 0.1, Output: 0.2}, 1, 1, 1},
		{money.Price{Input: 0.02}, 1, 0, 1},
		{money.Price{}, 9e18, 9e18, 0},
		{money.Price{Input: 15, Output: 75}, math.MaxInt64, math.MaxInt64, math.MaxInt64},
		{money.Price{Input: 15, Output: 75}, -5, math.MinInt64, 0},
		{money.Price{Input: math.NaN()}, 1, 1, math.MaxInt64},
		{money.Price{Input: math.Inf(1)}, 1, 1, math.MaxInt64},
		{money.Price{Input: -1}, 1, 1, math.MaxInt64},
	} {
		require.Equal(t, c.want, c.price.Cost(c.input, c.output), "%+v", c)
	}
}

// TestCostLaws: a cost is never negative, never falls with more tokens, and is the
// exact one where that fits.
func TestCostLaws(t *testing.T) {
	t.Parallel()
	law := func(in, out uint32, input, output, more int64) bool {
		p := money.Price{Input: float64(in%100_000_000) / 1000, Output: float64(out%100_000_000) / 1000}
		cost := p.Cost(int(input), int(output))
		exact := new(big.Rat).Add(
			new(big.Rat).Mul(big.NewRat(int64(in%100_000_000), 1000), new(big.Rat).SetInt64(max(input, 0))),
			new(big.Rat).Mul(big.NewRat(int64(out%100_000_000), 1000), new(big.Rat).SetInt64(max(output, 0))))
		short := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(cost)) // above 0: charged too little
		fits := cost == math.MaxInt64 || short.Sign() <= 0 && short.Cmp(big.NewRat(-1, 1)) > 0
		return cost >= 0 && fits && (more < input || p.Cost(int(more), int(output)) >= cost)
	}
	require.NoError(t, quick.Check(law, &quick.Config{MaxCount: 2000}))
}

func TestSums(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 6, money.Sum(1, 2, 3))
	require.EqualValues(t, math.MaxInt64, money.Sum(math.MaxInt64, 1))
	require.EqualValues(t, math.MaxInt64, money.Sum(math.MaxInt64-1, 1, 5))
	require.EqualValues(t, 350, money.Times(7, 50))
	require.EqualValues(t, math.MaxInt64, money.Times(3, math.MaxInt64/2))
	require.Zero(t, money.Times(0, 50))
	require.Zero(t, money.Times(-1, 50))
}

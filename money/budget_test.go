package money_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
)

// TestLimit: no amount that is a limit becomes none, by rounding or by overflow.
func TestLimit(t *testing.T) {
	t.Parallel()
	for usd, want := range map[float64]int64{
		0: 0, math.Copysign(0, -1): 0, 5e-324: 1, 5e-17: 1, 4e-7: 1, 1e-6: 1, 0.003: 3000, 0.29: 290_000, 1.1: 1_100_000, 25: 25_000_000,
		9e12: 9_000_000_000_000_000_000, 1e13: math.MaxInt64, 1e300: math.MaxInt64, math.Inf(1): math.MaxInt64,
		-1: 1, math.Inf(-1): 1,
	} {
		require.Equal(t, want, money.Limit(usd), usd)
	}
	require.Equal(t, int64(1), money.Limit(math.NaN()))
	for _, usd := range []float64{0, 5e-324, 0.01, 9e12} {
		require.NoError(t, money.CheckLimit(usd), usd)
	}
	for _, usd := range []float64{-5e-324, -1, 1e13, 1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
		require.Error(t, money.CheckLimit(usd), usd)
	}
}

package money

import (
	"errors"
	"math"
	"math/big"
	"strconv"
)

// Price of a model's tokens, in USD per million, which is micro-USD per token.
type Price struct {
	Input  float64 `json:"input_usd_per_mtok"`
	Output float64 `json:"output_usd_per_mtok"`
	Listed string  `json:"listed,omitempty"` // date of the vendor's price list; "" = configured
}

// UnknownPrice begins the reason of a fault for what has no price while a budget is hard.
const UnknownPrice = "its price is unknown under a hard limit"

// maxPrice is in USD per million tokens. The most expensive model of any list costs less
// than a hundredth of it, so a higher price is a mistake of unit.
const maxPrice = 100_000

// Check refuses a price that is negative, not finite or out of range.
func (p Price) Check() error {
	for _, v := range []float64{p.Input, p.Output} {
		if !(v >= 0 && v <= maxPrice) {
			return errors.New("a price is out of range: use 0 to 100000 USD per million tokens")
		}
	}
	return nil
}

// Cost is the cost of tokens in micro-USD, rounded up. It is computed in decimals, as
// prices are written, so that no binary fraction adds a micro-USD. A negative token count
// costs nothing; a cost that does not fit, or of a price that Check refuses, is
// math.MaxInt64 and never too low.
func (p Price) Cost(input, output int) int64 {
	if p.Check() != nil {
		return math.MaxInt64
	}
	sum := new(big.Rat).Add(share(p.Input, input), share(p.Output, output))
	up := new(big.Int).Add(sum.Num(), new(big.Int).Sub(sum.Denom(), big.NewInt(1)))
	if up.Quo(up, sum.Denom()); !up.IsInt64() {
		return math.MaxInt64
	}
	return up.Int64()
}

func share(price float64, tokens int) *big.Rat {
	exact, ok := new(big.Rat).SetString(strconv.FormatFloat(price, 'f', -1, 64))
	if !ok { // always true for a finite number
		return new(big.Rat).SetInt64(math.MaxInt64)
	}
	return exact.Mul(exact, new(big.Rat).SetInt64(int64(max(tokens, 0))))
}

// Sum adds micro-USD without overflow: a larger sum is math.MaxInt64.
func Sum(micro ...int64) (sum int64) {
	for _, m := range micro {
		if m > 0 && sum > math.MaxInt64-m {
			return math.MaxInt64
		}
		sum += m
	}
	return sum
}

// Times multiplies the price of one call without overflow. Neither may be negative.
func Times(calls int, micro int64) int64 {
	if calls <= 0 || micro <= 0 {
		return 0
	}
	if micro > math.MaxInt64/int64(calls) {
		return math.MaxInt64
	}
	return int64(calls) * micro
}

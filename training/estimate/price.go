package estimate

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// Prices says what an hour on a GPU class costs, in USD. A class that is not in
// it has no known price.
type Prices map[string]float64

//go:embed prices.json
var shippedPrices []byte

// PriceList is a table of prices with its origin.
type PriceList struct {
	Date   string `json:"date"`   // of the newest price
	Source string `json:"source"` // whose prices they are
	Prices Prices `json:"usd_per_hour"`
}

// DefaultPrices returns the shipped table.
func DefaultPrices() (PriceList, error) {
	var list PriceList
	if err := json.Unmarshal(shippedPrices, &list); err != nil {
		return PriceList{}, fmt.Errorf("read the shipped prices: %w", err)
	}
	if _, err := time.Parse(time.DateOnly, list.Date); err != nil {
		return PriceList{}, fmt.Errorf("read the shipped prices: %w", err)
	}
	return list, list.Prices.Check()
}

// With returns p with the given prices laid over it.
func (p Prices) With(over Prices) Prices {
	all := maps.Clone(p)
	if all == nil {
		all = Prices{}
	}
	maps.Copy(all, over)
	return all
}

// Check refuses classes that do not exist and prices that make no sense.
func (p Prices) Check() error {
	for _, class := range slices.Sorted(maps.Keys(p)) {
		v := p[class]
		switch {
		case !slices.Contains(video.GPUClasses(), class):
			return fault.New(fault.Input, "read prices", class, "no such class; known are "+strings.Join(video.GPUClasses(), ", "))
		case math.IsNaN(v) || v < 0 || v > 10_000:
			return fault.New(fault.Input, "read prices", class, fmt.Sprintf("%v USD per hour; must be 0 to 10000", v))
		}
	}
	return nil
}

// CostUSD returns what seconds on a class cost; nil = the price is not known.
func (p Prices) CostUSD(class string, seconds float64) *float64 {
	rate, known := p[class]
	if !known {
		return nil
	}
	cost := rate * seconds / 3600
	return &cost
}

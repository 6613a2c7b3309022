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

// Prices is the price of an hour on a GPU class, in USD. A missing class has no known
// price.
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

// With returns p with the given prices taking precedence.
func (p Prices) With(over Prices) Prices {
	all := maps.Clone(p)
	if all == nil {
		all = Prices{}
	}
	maps.Copy(all, over)
	return all
}

// Check refuses unknown classes and prices out of range.
func (p Prices) Check() error {
	for _, class := range slices.Sorted(maps.Keys(p)) {
		v := p[class]
		switch {
		case !slices.Contains(video.GPUClasses(), class):
			return fault.New(fault.Input, "read prices", class, "not found; supported: "+strings.Join(video.GPUClasses(), ", "))
		case math.IsNaN(v) || v < 0 || v > 10_000:
			return fault.New(fault.Input, "read prices", class, fmt.Sprintf("%v USD per hour; must be 0 to 10000", v))
		}
	}
	return nil
}

// CostUSD returns the cost of a time on a class; nil = the price is unknown.
func (p Prices) CostUSD(class string, seconds float64) *float64 {
	rate, known := p[class]
	if !known {
		return nil
	}
	cost := rate * seconds / 3600
	return &cost
}

// Package pricebook has the list prices of models at their vendors' own endpoints, as of a day.
// Prices change: the configuration takes precedence, and a model that is not listed has no price.
package pricebook

import (
	_ "embed"
	"encoding/json"
	"sync"

	"github.com/cogniverse/cogflow/prompt"
)

//go:embed prices.json
var file []byte

type book struct {
	Date   string                              `json:"date"`
	Source string                              `json:"source"`
	Hosts  map[string]map[string]pricePerToken `json:"usd_per_million_tokens"`
}

type pricePerToken struct {
	Input  float64 `json:"input"`
	Output float64 `json:"output"`
}

var read = sync.OnceValue(func() (b book) { //nolint:gochecknoglobals // the file is a part of the program
	if err := json.Unmarshal(file, &b); err != nil {
		panic("prices.json: " + err.Error()) // a test reads it
	}
	return b
})

// Of is the price of a model at a host, without discounts for caches and batches; nil = unknown.
// Other providers of a model with the same name set their own prices.
//
// Claude Sonnet 4 and 4.5 cost more beyond 200,000 tokens of prompt, which takes a header that
// is never sent.
func Of(host, model string) *prompt.Price {
	p, ok := read().Hosts[host][model]
	if !ok {
		return nil
	}
	return &prompt.Price{Input: p.Input, Output: p.Output, Listed: read().Date}
}

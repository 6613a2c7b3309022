// Package pricebook has the list prices of models at their vendors' own endpoints, as of a day.
// Prices change: the configuration takes precedence, and a model that is not listed has no price.
package pricebook

import (
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
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

// Book is the list as it is shown.
type Book struct {
	Date   string   `json:"date"`
	Source string   `json:"source"`
	Prices []Listed `json:"prices"` // by host and model
}

// Listed is the price of a model at its vendor's host, in USD per million tokens.
type Listed struct {
	Host   string  `json:"host"`
	Model  string  `json:"model"`
	Input  float64 `json:"input_usd_per_mtok"`
	Output float64 `json:"output_usd_per_mtok"`
}

// All is the whole list.
func All() Book {
	b := read()
	out := Book{Date: b.Date, Source: b.Source}
	for _, host := range slices.Sorted(maps.Keys(b.Hosts)) {
		for _, model := range slices.Sorted(maps.Keys(b.Hosts[host])) {
			p := b.Hosts[host][model]
			out.Prices = append(out.Prices, Listed{host, model, p.Input, p.Output})
		}
	}
	return out
}

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

package config

import (
	"net/url"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
)

// price returns nil if neither is set, or if they are invalid.
func (t tokenPrices) price(place string) (*prompt.Price, Problems) {
	const fix = "write both input_usd_per_mtok and output_usd_per_mtok, in USD per million tokens; 0 for what costs nothing"
	for name, pair := range map[string][2]*float64{"output_usd_per_mtok": {t.Input, t.Output}, "input_usd_per_mtok": {t.Output, t.Input}} {
		if given, missing := pair[0], pair[1]; given != nil && missing == nil {
			return nil, Problems{{Place: place + "." + name, Text: "missing: with only one of the two prices the other tokens would count as free", Fix: fix}}
		}
	}
	if t.Input == nil {
		return nil, nil
	}
	p := prompt.Price{Input: *t.Input, Output: *t.Output}
	if err := p.Check(); err != nil {
		return nil, Problems{{Place: place, Text: err.Error(), Fix: fix}}
	}
	return &p, nil
}

// price is the price of a model's tokens at an endpoint: as the endpoint says, otherwise
// the vendor's list price; nil = unknown.
func (e Endpoint) price(model string) *prompt.Price {
	if p, _ := (tokenPrices{e.InputUSDPerMTok, e.OutputUSDPerMTok}).price(""); p != nil {
		return p
	}
	return listPrice(e, e.served(model))
}

// priceProfiles gives each describe stage without a price the cost of a call by tokens, as
// an upper estimate for a usual endpoint. The reservation of a call is higher: the maximum
// charge, whatever the endpoint counts; see video.Stage.DescribeBounds.
func (c *Config) priceProfiles() {
	for name, p := range c.profiles {
		e, ok := c.Describer(p.Describe)
		if !ok || e.Kind != OpenAI || p.Describe.CostMicroUSD != 0 {
			continue
		}
		if price := c.Price(p.Describe.Model); price != nil {
			most := p.Describe.DescribeBounds(p.DescribePictures())
			p.Describe.CostMicroUSD, p.Describe.Unpriced = price.Cost(most.Input, most.MaxOutput), false
			c.profiles[name] = p
		}
	}
}

// checkPrices refuses prices that have no effect.
func (e endpoint) checkPrices() Problems {
	if e.Kind != OpenAI && (e.InputUSDPerMTok != nil || e.OutputUSDPerMTok != nil) {
		return Problems{{
			Place: "input_usd_per_mtok", Text: "endpoints of kind " + string(e.Kind) + " have no price by tokens: it would be ignored, and every call be free",
			Fix: "remove it, and set cost_micro_usd, the price of one call, in the profile's stage that uses the endpoint",
		}}
	}
	_, problems := tokenPrices{e.InputUSDPerMTok, e.OutputUSDPerMTok}.price("")
	for i := range problems {
		problems[i].Place = strings.TrimPrefix(problems[i].Place, ".")
		if problems[i].Place == "" {
			problems[i].Place = "input_usd_per_mtok"
		}
	}
	return problems
}

// pricesDate is when the list prices below were read: from the manifest of model costs in
// Arize Phoenix (src/phoenix/server/cost_tracking/model_cost_manifest.json of that day),
// which has them from LiteLLM. Prices change: the configuration takes precedence, and a
// model that is not listed has no price.
const pricesDate = "2026-08-21"

// listPrice is the price of a model at the vendor's own endpoint, without discounts for
// caches and batches; nil = unknown. Other providers of a model with the same name set
// their own prices.
//
// Claude Sonnet 4 and 4.5 cost more beyond 200,000 tokens of prompt, which takes a
// header that is never sent.
func listPrice(e Endpoint, model string) *prompt.Price {
	u, err := url.Parse(e.URL)
	if err != nil || u.Scheme != "https" {
		return nil
	}
	p, ok := map[string]map[string]prompt.Price{ // USD for a million tokens of prompts and of answers
		"api.openai.com": {
			"gpt-4.1": {Input: 2, Output: 8}, "gpt-4.1-2025-04-14": {Input: 2, Output: 8},
			"gpt-4.1-mini": {Input: 0.4, Output: 1.6}, "gpt-4.1-mini-2025-04-14": {Input: 0.4, Output: 1.6},
			"gpt-4.1-nano": {Input: 0.1, Output: 0.4}, "gpt-4.1-nano-2025-04-14": {Input: 0.1, Output: 0.4},
			"gpt-4o": {Input: 2.5, Output: 10}, "gpt-4o-2024-05-13": {Input: 5, Output: 15},
			"gpt-4o-2024-08-06": {Input: 2.5, Output: 10}, "gpt-4o-2024-11-20": {Input: 2.5, Output: 10},
			"gpt-4o-mini": {Input: 0.15, Output: 0.6}, "gpt-4o-mini-2024-07-18": {Input: 0.15, Output: 0.6},
		},
		"api.anthropic.com": {
			"claude-3-7-sonnet-20250219": {Input: 3, Output: 15}, "claude-3-haiku-20240307": {Input: 0.25, Output: 1.25},
			"claude-haiku-4-5": {Input: 1, Output: 5}, "claude-haiku-4-5-20251001": {Input: 1, Output: 5},
			"claude-opus-4-1": {Input: 15, Output: 75}, "claude-opus-4-1-20250805": {Input: 15, Output: 75},
			"claude-opus-4-20250514": {Input: 15, Output: 75},
			"claude-opus-4-5":        {Input: 5, Output: 25}, "claude-opus-4-5-20251101": {Input: 5, Output: 25},
			"claude-opus-4-6": {Input: 5, Output: 25}, "claude-opus-4-6-20260205": {Input: 5, Output: 25},
			"claude-opus-4-7": {Input: 5, Output: 25}, "claude-opus-4-7-20260416": {Input: 5, Output: 25},
			"claude-opus-4-8": {Input: 5, Output: 25}, "claude-opus-5": {Input: 5, Output: 25},
			"claude-sonnet-4-20250514": {Input: 3, Output: 15},
			"claude-sonnet-4-5":        {Input: 3, Output: 15}, "claude-sonnet-4-5-20250929": {Input: 3, Output: 15},
			"claude-sonnet-4-6": {Input: 3, Output: 15}, "claude-sonnet-5": {Input: 2, Output: 10},
		},
	}[u.Hostname()][model]
	if !ok {
		return nil
	}
	p.Listed = pricesDate
	return &p
}

package config

import (
	"net/url"
	"strings"

	"github.com/cogniverse/cogflow/internal/config/pricebook"
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

// listPrice is the price of a model at the vendor's own endpoint; nil = unknown.
func listPrice(e Endpoint, model string) *prompt.Price {
	u, err := url.Parse(e.URL)
	if err != nil || u.Scheme != "https" {
		return nil
	}
	return pricebook.Of(u.Hostname(), model)
}

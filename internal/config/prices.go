package config

import (
	"net/url"

	"github.com/cogniverse/cogflow/prompt"
)

// pricesDate is when the list prices below were read: from the manifest of model
// costs in Arize Phoenix (src/phoenix/server/cost_tracking/model_cost_manifest.json
// of that day), which has them from LiteLLM. Prices move: what the configuration
// says counts more, and a model that is not listed has no price.
const pricesDate = "2026-08-21"

// listPrice is what a vendor's own endpoint asks for a model, without discounts of
// caches and batches; nil = that is not known. Anybody else who serves a model of
// the same name asks what he likes.
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

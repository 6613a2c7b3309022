package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
)

// TestListPrices: what is configured counts more than a list, a list counts only of
// the vendor himself, and what is on no list has no price.
func TestListPrices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want *prompt.Price
	}{
		"listed":           {`{"llm_config":{"primary":{"model":"openai/gpt-4o-mini"}}}`, &prompt.Price{Input: 0.15, Output: 0.6, Listed: pricesDate}},
		"by date":          {`{"llm_config":{"primary":{"model":"anthropic/claude-haiku-4-5-20251001"}}}`, &prompt.Price{Input: 1, Output: 5, Listed: pricesDate}},
		"not listed":       {`{"llm_config":{"primary":{"model":"anthropic/claude-3-5-sonnet-20241022"}}}`, nil},
		"of another":       {`{"llm_config":{"primary":{"model":"openai/gpt-4o","api_base":"https://gateway.example.com/v1"}}}`, nil},
		"of a like name":   {`{"llm_config":{"primary":{"model":"openai/gpt-4o","api_base":"https://api.openai.com.example.com/v1"}}}`, nil},
		"of another's":     {`{"llm_config":{"primary":{"model":"anthropic/gpt-4o"}}}`, nil},
		"for nothing here": {`{"llm_config":{"primary":{"model":"openai/gpt-4o"}},"cogflow":{"optimize":{"prices":{"gpt-4o":{"input_usd_per_mtok":0,"output_usd_per_mtok":0}}}}}`, &prompt.Price{}},
		"of our endpoint": {`{"cogflow":{"endpoints":{"e":{"kind":"openai","url":"https://api.openai.com/v1","models":["gpt-4.1"],"api_key_env":"K",
			"input_usd_per_mtok":1,"output_usd_per_mtok":2}},"optimize":{"student":"gpt-4.1"}}}`, &prompt.Price{Input: 1, Output: 2}},
		"of our endpoint, listed": {`{"cogflow":{"endpoints":{"e":{"kind":"openai","url":"https://api.openai.com/v1","models":["gpt-4.1"],"api_key_env":"K"}},
			"optimize":{"student":"gpt-4.1"}}}`, &prompt.Price{Input: 2, Output: 8, Listed: pricesDate}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Load(file(t, c.text))
			require.NoError(t, err)
			require.Empty(t, got.Optimize.Student.Missing)
			assert.Equal(t, c.want, got.Optimize.Student.Price)
		})
	}
}

package money_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
)

// TestComplaint13CachedTokensAreCountedOnce has the usages that servers send: cached
// tokens are a part of the input, never counted beside it.
func TestComplaint13CachedTokensAreCountedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		usage string
		want  money.Used
	}{
		"OpenAI": {
			`{"prompt_tokens":1000,"completion_tokens":50,"total_tokens":1050,"prompt_tokens_details":{"cached_tokens":900},"completion_tokens_details":{"reasoning_tokens":40}}`,
			money.Used{InputTokens: 1000, CachedTokens: 900, OutputTokens: 50, ReasoningTokens: 40},
		},
		"vLLM":     {`{"prompt_tokens":7,"total_tokens":9,"completion_tokens":2,"prompt_tokens_details":null}`, money.Used{InputTokens: 7, OutputTokens: 2}},
		"DeepSeek": {`{"prompt_tokens":10,"completion_tokens":2,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}`, money.Used{InputTokens: 10, CachedTokens: 8, OutputTokens: 2}},
		"Anthropic": {
			`{"input_tokens":10,"cache_read_input_tokens":80,"cache_creation_input_tokens":5,"output_tokens":3}`,
			money.Used{InputTokens: 95, CachedTokens: 80, OutputTokens: 3},
		},
		"LiteLLM of Anthropic": {
			`{"prompt_tokens":95,"completion_tokens":3,"cache_read_input_tokens":80,"cache_creation_input_tokens":5,"prompt_tokens_details":{"cached_tokens":80}}`,
			money.Used{InputTokens: 95, CachedTokens: 80, OutputTokens: 3},
		},
		"responses":      {`{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":1}}`, money.Used{InputTokens: 10, CachedTokens: 4, OutputTokens: 3, ReasoningTokens: 1}},
		"more than all":  {`{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":11},"completion_tokens_details":{"reasoning_tokens":3}}`, money.Used{InputTokens: 10, CachedTokens: 10, OutputTokens: 2, ReasoningTokens: 2}},
		"odd details":    {`{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":7,"completion_tokens_details":["x"]}`, money.Used{InputTokens: 10, OutputTokens: 2}},
		"hidden thought": {`{"prompt_tokens":10,"completion_tokens":2,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":8}}`, money.Used{InputTokens: 10, OutputTokens: 10, ReasoningTokens: 8}},
		"absurd":         {`{"prompt_tokens":1e300,"completion_tokens":2}`, money.Used{OutputTokens: 2}},
	} {
		var u money.Usage
		require.NoError(t, json.Unmarshal([]byte(c.usage), &u), name)
		require.Equal(t, c.want, u.Used(), name)
		require.Equal(t, c.want, money.UsedIn([]byte(`{"choices":[],"usage" : `+c.usage+`,"id":"x"}`)), name)
	}
}

func TestUsedIn(t *testing.T) {
	t.Parallel()
	const usage = `{"prompt_tokens":7,"completion_tokens":2}`
	want := money.Used{InputTokens: 7, OutputTokens: 2}
	for text, expected := range map[string]money.Used{
		"": {}, "usage": {}, `"usage"`: {}, `{"usage":`: {}, `{"usage":null}`: {},
		`{"choices":[{"usage":` + usage + `}]}`:                         want,
		`{"usage":` + usage + `,"usage":null}`:                          want,
		`{"usage":` + usage + `,"text":"usage"}`:                        want,
		`{"text":"\"usage\":{\"prompt_tokens\":9}"}`:                    {},
		`{"data":"` + strings.Repeat("A", 99999) + `","usage":` + usage: want,
		`<html>"usage"</html>`:                                          {},
	} {
		require.Equal(t, expected, money.UsedIn([]byte(text)), "%.60s", text)
	}
}

// TestMeter: what all requests of a call use is added up; without a meter nothing is.
func TestMeter(t *testing.T) {
	t.Parallel()
	money.Record(t.Context(), money.Used{InputTokens: 1})
	ctx, meter := money.WithMeter(t.Context())
	var requests sync.WaitGroup
	for range 50 {
		requests.Go(func() { money.Record(ctx, money.Used{InputTokens: 1, GPUMS: 2}) })
	}
	requests.Wait()
	require.Equal(t, money.Used{InputTokens: 50, GPUMS: 100}, meter.Used())
}

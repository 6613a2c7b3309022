package upstream

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/chat"
)

func TestGoesOn(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]bool{
		`{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}`:                                  true,
		`{"choices": [{"delta": {"content": "a"}, "finish_reason" : null}], "usage": null}`:             true,
		`{"choices":[{"delta":{"content":"\"finish_reason\":\"stop\""},"finish_reason":null}]}`:         true,
		`{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`:                                false,
		`{"choices":[{"delta":{"content":"a"}}]}`:                                                       false,
		`{"choices":[{"finish_reason":null},{"finish_reason":"stop"}]}`:                                 false,
		`{"choices":[{"finish_reason":null}],"usage":{"prompt_tokens":1}}`:                              false,
		`{"choices":[{"finish_reason":null}],"usage":null,"x":{"usage":1}}`:                             false,
		`{"choices":[{"delta":{"content":"finish_reason"},"finish_reason":null}`:                        false, // broken off
		`{"x":"finish_reason","choices":[]}`:                                                            false,
		`{"choices":[{"delta":{"content":"a"},"finish_reason":nullx}]}`:                                 false,
		`{"choices":[{"delta":{"content":"the word \"usage\": 3"},"finish_reason":null}],"usage":null}`: true,
	} {
		require.Equal(t, want, goesOn([]byte(data)), data)
	}
}

// FuzzGoesOn: what goesOn takes for a part of a choice that goes on has no reason to end, and no usage.
func FuzzGoesOn(f *testing.F) {
	f.Add([]byte(`{"choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":null}`))
	f.Add([]byte(`{"choices":[{"delta":{"content":"\"finish_reason\""},"finish_reason": null}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !goesOn(data) {
			return
		}
		require.True(t, json.Valid(data))
		_, counts := chat.UsageOf(data)
		require.False(t, counts)
		var c chunk
		if json.Unmarshal(data, &c) == nil {
			for _, choice := range c.Choices {
				require.False(t, bool(choice.Finish))
			}
		}
	})
}

package chat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/money"
)

// TestNative: answers of Anthropic's and Gemini's own protocols are read, and billed.
func TestNative(t *testing.T) {
	t.Parallel()
	tokens := func(input, output int) money.Usage {
		return money.Usage{Input: money.Count{Tokens: input, Said: true}, Output: money.Count{Tokens: output, Said: true}}
	}
	const gemini = `"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":2,"thoughtsTokenCount":4,"totalTokenCount":13},"modelVersion":"m"}`
	for body, want := range map[string]chat.Answer{
		`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"An "},{"type":"text","text":"answer."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":2}}`: {Text: "An answer.", Finish: "stop", Model: "m", Usage: tokens(7, 2), Written: 10},
		`{"type":"message","model":"m","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"An"}],"stop_reason":"max_tokens","usage":{"input_tokens":7,"output_tokens":2}}`:                                                 {Text: "An", Finish: "length", Model: "m", Usage: tokens(7, 2), Written: 5},
		`{"type":"message","model":"m","content":[],"stop_reason":"refusal","usage":{"input_tokens":7,"output_tokens":1}}`:                                                                                                                    {Finish: "refusal", Model: "m", Usage: tokens(7, 1)},
		`{"data":{"role":"assistant","content":[{"type":"text","text":"An answer."}],"stop_reason":"end_turn"}}`:                                                                                                                              {Text: "An answer.", Finish: "stop", Written: 10},
		`{"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true},{"text":"An "},{"text":"answer."}],"role":"model"},"finishReason":"STOP","index":0}],` + gemini:                                                                    {Text: "An answer.", Finish: "stop", Model: "m", Usage: tokens(7, 6), Written: 13},
		`{"response":{"candidates":[{"content":{"parts":[{"text":"An"}]},"finishReason":"MAX_TOKENS"}],` + gemini + `}`:                                                                                                                       {Text: "An", Finish: "length", Model: "m", Usage: tokens(7, 6), Written: 2},
		`{"candidates":[{"finishReason":"SAFETY","safetyRatings":[]}],` + gemini:                                                                                                                                                              {Finish: "content_filter", Model: "m", Usage: tokens(7, 6)},
		`{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7},"modelVersion":"m"}`:                                                                                               {Finish: "content_filter", Model: "m", Usage: tokens(7, 0)},
	} {
		require.Equal(t, want, read(t, body), body)
	}
	for _, body := range []string{`{"type":"message","content":"An answer."}`, `{"content":[{"type":"text","text":"An answer."}]}`, `{"candidates":[]}`, `{"candidates":7,"promptFeedback":7}`} {
		whole, ok := chat.Assemble([]byte(body))
		require.True(t, ok, body)
		_, err := chat.Read(nil, whole)
		require.Error(t, err, body)
	}
	calls := read(t, `{"type":"message","content":[{"type":"tool_use","id":"1","name":"search","input":{}}],"stop_reason":"tool_use"}`)
	require.Empty(t, calls.Text)
	require.Positive(t, calls.Written)
	calls = read(t, `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"search"}}]},"finishReason":"STOP"}]}`)
	require.Empty(t, calls.Text)
	require.Positive(t, calls.Written)
}

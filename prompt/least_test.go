package prompt_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
)

// TestLeastTokens: the bound is below what any tokenizer counts, and above half of num_ctx, which
// is what Ollama counts for a prompt that it has cut.
func TestLeastTokens(t *testing.T) {
	t.Parallel()
	say := func(texts ...string) []prompt.Message {
		var out []prompt.Message
		for _, text := range texts {
			out = append(out, prompt.Message{Role: prompt.User, Content: text})
		}
		return out
	}
	require.Zero(t, prompt.LeastTokens(nil))
	require.Zero(t, prompt.LeastTokens(say("12 345", "…!? \n", "日本語です")))
	require.Equal(t, 8, prompt.LeastTokens(say("one two three four five", "six seven_eight nine-ten")))
	require.Equal(t, 8, prompt.LeastTokens(say(strings.Repeat("naïveté ", 10))))
	// 13 words and 2 marks in each sentence, so at least 4,350 tokens; with num_ctx 4096 Ollama reads 2,050 of them
	require.Greater(t, prompt.LeastTokens(say(strings.Repeat("The river was calm, and two of its boats lay at the pier. ", 290))), 2050)
}

package chat

import (
	"encoding/json"
	"slices"
	"strings"
)

// OpenAI's values of finish_reason.
const (
	finishStop   = "stop"
	finishLength = "length"
	finishFilter = "content_filter"
)

// finished translates a finish_reason to OpenAI's value. Servers use the values of the protocol
// behind them: Gemini's in capitals, Anthropic's, Mistral's, or the name of the end token. An
// unknown value is not changed.
func finished(reason string) string {
	name := strings.ToLower(strings.TrimSpace(reason))
	for finish, names := range map[string][]string{
		finishStop:   {"stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed", "done", "finished", "finish_reason_stop"},
		finishLength: {"length", "max_tokens", "max_output_tokens", "model_length", "max_length", "model_context_window_exceeded", "finish_reason_max_tokens"},
		finishFilter: {
			"content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii", "image_safety", "sensitive",
			"guardrail_intervened", "content-filter",
		},
	} {
		if slices.Contains(names, name) {
			return finish
		}
	}
	if strings.HasPrefix(name, finishFilter) { // Gemini: "content_filter: PROHIBITED_CONTENT"
		return finishFilter
	}
	return reason
}

// broken reports whether a finish_reason says that the server gave up. The text is not an
// answer then, and a retry may succeed.
func broken(reason string) bool {
	return slices.Contains([]string{
		"error", "abort", "aborted", "cancelled", "network_error",
		"insufficient_system_resource", // DeepSeek
		"malformed_function_call",      // Gemini
	}, strings.ToLower(strings.TrimSpace(reason)))
}

// blocked reports whether Azure filtered the prompt.
func blocked(results json.RawMessage) bool {
	var prompts []struct {
		Results map[string]struct {
			Filtered bool `json:"filtered"`
		} `json:"content_filter_results"`
	}
	_ = json.Unmarshal(results, &prompts) // filter results of another type are ignored
	for _, p := range prompts {
		for _, r := range p.Results {
			if r.Filtered {
				return true
			}
		}
	}
	return false
}

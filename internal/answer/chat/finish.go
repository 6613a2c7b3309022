package chat

import (
	"encoding/json"
	"slices"
	"strings"
)

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

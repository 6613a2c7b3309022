package outcome

import (
	"slices"
	"strings"
)

// OpenAI's values of finish_reason.
const (
	FinishStop    = "stop"           // complete
	FinishLength  = "length"         // max_tokens cut it off
	FinishFilter  = "content_filter" // the server refuses, also when it is asked again
	FinishRefusal = "refusal"        // the model refuses
)

// spellings lists the values of other protocols: Anthropic, Gemini, Mistral, Cohere, Bedrock,
// TGI, Ollama, or the name of the end token.
func spellings() map[string][]string {
	return map[string][]string{
		"": {"", "null", "none", "unknown", "finish_reason_unspecified"},
		FinishStop: {
			FinishStop, "eos", "eos_token", "end", "end_turn", "stop_sequence", "stop_token", "complete", "completed", "done", "finished", "finish_reason_stop",
		},
		FinishLength: {
			FinishLength, "max_tokens", "max_output_tokens", "max_new_tokens", "max_length", "model_length", "token_limit",
			"model_context_window_exceeded", "finish_reason_max_tokens",
		},
		FinishFilter: {
			FinishFilter, "content_filtered", "content-filter", "safety", "image_safety", "recitation", "blocklist", "prohibited_content", "spii", "sensitive",
			"guardrail_intervened", "error_toxic", "language",
		},
		FinishRefusal: {FinishRefusal},
	}
}

// Finish translates a finish_reason to OpenAI's value. "" = the server does not say why the
// answer ended. An unknown value is not changed.
func Finish(reason string) string {
	name := strings.ToLower(strings.TrimSpace(reason))
	for finish, names := range spellings() {
		if slices.Contains(names, name) {
			return finish
		}
	}
	if strings.HasPrefix(name, FinishFilter) { // Gemini: "content_filter: PROHIBITED_CONTENT"
		return FinishFilter
	}
	return reason
}

// Of is the reason in a finish_reason; "" = the answer is complete, or the server does not say.
func Of(finish string) Reason {
	switch Finish(finish) {
	case "", FinishStop:
		return ""
	case FinishLength:
		return Truncated
	case FinishFilter:
		return Filter
	case FinishRefusal:
		return Refusal
	}
	return Other
}

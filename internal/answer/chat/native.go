package chat

import (
	"encoding/json"
	"strings"

	"github.com/cogniverse/cogflow/prompt/outcome"
)

// translated converts an answer of Anthropic's protocol or Gemini's, which gateways pass through
// unchanged, to OpenAI's form. ok is false for other answers.
func translated(body map[string]json.RawMessage) (answer []byte, ok bool) {
	out, ok := messages(body)
	if !ok {
		out, ok = candidates(body)
	}
	if !ok {
		return nil, false
	}
	answer, err := json.Marshal(out)
	return answer, err == nil
}

// messages converts an answer of Anthropic's protocol. Its content is a list of parts, as Read
// takes it, and its usage has names that Read knows.
func messages(body map[string]json.RawMessage) (out map[string]any, ok bool) {
	var parts []struct {
		Type json.RawMessage `json:"type"`
	}
	if word(body["type"]) != "message" && missing(body["stop_reason"]) || json.Unmarshal(body["content"], &parts) != nil || missing(body["content"]) {
		return nil, false
	}
	m := map[string]any{"content": body["content"]}
	for _, p := range parts {
		if word(p.Type) == "tool_use" {
			m["tool_calls"] = body["content"]
		}
	}
	return map[string]any{
		"model": orNull(body["model"]), "usage": orNull(body["usage"]),
		"choices": []any{map[string]any{"message": m, "finish_reason": orNull(body["stop_reason"])}},
	}, true
}

// candidate is a choice of Gemini's protocol.
type candidate struct {
	Content struct {
		Parts []struct {
			Text    json.RawMessage `json:"text"`
			Thought json.RawMessage `json:"thought"`
			Call    json.RawMessage `json:"functionCall"`
		} `json:"parts"`
	} `json:"content"`
	Finish json.RawMessage `json:"finishReason"`
}

// candidates converts an answer of Gemini's protocol. A blocked prompt has no candidates.
func candidates(body map[string]json.RawMessage) (out map[string]any, ok bool) {
	var list []json.RawMessage
	var feedback struct {
		Reason json.RawMessage `json:"blockReason"`
	}
	_ = json.Unmarshal(body["promptFeedback"], &feedback) // feedback of another type is none
	if (json.Unmarshal(body["candidates"], &list) != nil || len(list) == 0) && word(feedback.Reason) == "" {
		return nil, false
	}
	choices := []any{}
	for _, one := range list {
		var c candidate
		_ = json.Unmarshal(one, &c) // fields of another type stay empty
		choices = append(choices, c.choice())
	}
	if len(list) == 0 {
		choices = append(choices, map[string]any{"message": map[string]any{"content": nil}, "finish_reason": outcome.FinishFilter})
	}
	var count map[string]json.RawMessage
	_ = json.Unmarshal(body["usageMetadata"], &count) // a usage of another type is none
	return map[string]any{
		"model": orNull(body["modelVersion"]), "choices": choices,
		"usage": map[string]any{
			"prompt_tokens": orNull(count["promptTokenCount"]), "completion_tokens": orNull(count["candidatesTokenCount"]), "total_tokens": orNull(count["totalTokenCount"]),
		},
	}, true
}

func (c candidate) choice() map[string]any {
	var text, thoughts strings.Builder
	var calls []json.RawMessage
	for _, p := range c.Content.Parts {
		to := &text
		if string(p.Thought) == "true" {
			to = &thoughts
		}
		to.WriteString(word(p.Text))
		if !missing(p.Call) {
			calls = append(calls, p.Call)
		}
	}
	m := map[string]any{"content": text.String(), "reasoning_content": thoughts.String()}
	if len(calls) > 0 {
		m["tool_calls"] = calls
	}
	return map[string]any{"message": m, "finish_reason": orNull(c.Finish)}
}

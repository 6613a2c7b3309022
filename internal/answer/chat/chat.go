// Package chat reads answers of OpenAI's chat protocol. It decodes only what is used:
// servers put what they like into the rest (a fraction in `created`, a number in `id`,
// null for a list), and an answer that was paid for is not lost for that. It sends
// nothing and decides no retry.
package chat

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
)

// Answer is what a model answered.
type Answer struct {
	Text    string
	Refusal string // text of a refusal
	Finish  string // why it ends; "" = the server does not say
	Model   string // name of the model, by the server
	Usage   money.Usage
	Written int // bytes that the model wrote: text, refusal, thinking and tool calls
}

type message struct {
	Content   json.RawMessage `json:"content"`
	Refusal   json.RawMessage `json:"refusal"`
	Thoughts  json.RawMessage `json:"reasoning_content"` // vLLM, SGLang, DeepSeek
	Reasoning json.RawMessage `json:"reasoning"`         // OpenRouter, Ollama
	Tools     json.RawMessage `json:"tool_calls"`
	Function  json.RawMessage `json:"function_call"`
}

// Read reads an answer with one choice. It removes the keys of r from its texts.
func Read(r *safetext.Redactor, body []byte) (Answer, error) {
	var said struct {
		Model   json.RawMessage `json:"model"`
		Choices json.RawMessage `json:"choices"`
		Usage   money.Usage     `json:"usage"`
	}
	if json.Unmarshal(body, &said) != nil {
		return Answer{}, errors.New("the answer is not an object")
	}
	var choices []struct {
		Message json.RawMessage `json:"message"`
		Finish  json.RawMessage `json:"finish_reason"`
	}
	if json.Unmarshal(said.Choices, &choices) != nil || len(choices) != 1 {
		return Answer{}, errors.New("the answer has no choice, or several")
	}
	var m message
	if json.Unmarshal(choices[0].Message, &m) != nil {
		return Answer{}, errors.New("the choice has no message")
	}
	content, ok := text(m.Content)
	if !ok {
		return Answer{}, errors.New("the content of the message is not a text")
	}
	out := Answer{
		Text: r.Keys(content), Refusal: r.Keys(word(m.Refusal)), Finish: r.Keys(word(choices[0].Finish)), Model: r.Keys(word(said.Model)), Usage: said.Usage,
	}
	out.Written = len(strings.TrimSpace(out.Text)) + len(out.Refusal) + max(len(word(m.Thoughts)), len(word(m.Reasoning))) + size(m.Tools) + size(m.Function)
	return out, nil
}

// text is a text, the joined texts of a list of parts, or nothing.
func text(data json.RawMessage) (joined string, ok bool) {
	var s *string
	if len(data) == 0 || json.Unmarshal(data, &s) == nil {
		if s == nil {
			return "", true
		}
		return *s, true
	}
	var parts []json.RawMessage
	if json.Unmarshal(data, &parts) != nil {
		return "", false
	}
	var all strings.Builder
	for _, p := range parts {
		var part struct {
			Text json.RawMessage `json:"text"`
		}
		if json.Unmarshal(p, &part) == nil {
			all.WriteString(word(part.Text))
		} else {
			all.WriteString(word(p))
		}
	}
	return all.String(), true
}

// word is a text, or nothing.
func word(data json.RawMessage) (s string) {
	if json.Unmarshal(data, &s) != nil {
		return ""
	}
	return s
}

// size counts the bytes of tool calls; empty ones and null count 0.
func size(data json.RawMessage) int {
	if s := string(data); s == "null" || s == "[]" || s == "{}" {
		return 0
	}
	return len(data)
}

// Bill computes the cost of an answer that cannot be used, if its usage can be read.
func Bill(price *money.Price, r money.Request) func(answer []byte) (microUSD int64, known bool) {
	return func(answer []byte) (int64, bool) {
		if price == nil {
			return 0, false
		}
		u, found := money.UsageOf(answer)
		if !found || !r.Readable(u) {
			return 0, false
		}
		return price.Cost(u.Input.Tokens, u.Output.Tokens), true
	}
}

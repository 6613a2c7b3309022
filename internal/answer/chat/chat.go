// Package chat writes requests and reads answers of OpenAI's chat protocol. It decodes only the fields that are
// used: servers deviate in the others (a fraction in `created`, a number in `id`, null for a
// list), and a paid answer must not be lost because of them. It sends nothing and decides no
// retry.
package chat

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
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

// None reports whether there is no answer: neither a text nor tokens, nor a reason for it.
func (a Answer) None() bool {
	counted := a.Usage.Output.Said && a.Usage.Output.Tokens > 0
	return !counted && a.Written == 0 && a.Refusal == "" && a.Finish != outcome.FinishFilter
}

type message struct {
	Content   json.RawMessage `json:"content"`
	Refusal   json.RawMessage `json:"refusal"`
	Thoughts  json.RawMessage `json:"reasoning_content"` // vLLM, SGLang, DeepSeek
	Reasoning json.RawMessage `json:"reasoning"`         // OpenRouter, Ollama
	Tools     json.RawMessage `json:"tool_calls"`
	Function  json.RawMessage `json:"function_call"`
}

// Read reads an answer. It removes the keys of r from its texts. Of several choices, which are not
// requested, it returns the first with a text; all of them are written, and paid for.
func Read(r *safetext.Redactor, body []byte) (Answer, error) {
	var said struct {
		Model   json.RawMessage `json:"model"`
		Choices json.RawMessage `json:"choices"`
		Prompt  json.RawMessage `json:"prompt_filter_results"` // Azure
		Usage   money.Usage     `json:"usage"`
	}
	if json.Unmarshal(body, &said) != nil {
		return Answer{}, errors.New("the answer must be an object")
	}
	var choices []choice
	if json.Unmarshal(said.Choices, &choices) != nil || len(choices) == 0 {
		if blocked(said.Prompt) {
			return Answer{Finish: outcome.FinishFilter, Model: r.Keys(word(said.Model)), Usage: usage(body, said.Usage)}, nil
		}
		return Answer{}, errors.New("the answer has no choice")
	}
	at := max(slices.IndexFunc(choices, choice.speaks), 0)
	m, content, err := choices[at].read()
	if err != nil {
		return Answer{}, err
	}
	finish := word(choices[at].Finish)
	if broken(finish) {
		return Answer{}, errors.New("the server broke the answer off: finish_reason " + r.Reply(finish, longestReason))
	}
	out := Answer{
		Text: r.Keys(content), Refusal: r.Keys(word(m.Refusal)), Finish: r.Keys(outcome.Finish(finish)), Model: r.Keys(word(said.Model)), Usage: usage(body, said.Usage),
	}
	out.Written = m.written(out.Text, out.Refusal)
	for i, other := range choices {
		if beside, text, err := other.read(); i != at && err == nil {
			out.Written += beside.written(text, word(beside.Refusal))
		}
	}
	return out, nil
}

// written counts the bytes of a message with this text and refusal.
func (m message) written(text, refusal string) int {
	return len(strings.TrimSpace(text)) + len(refusal) + max(len(word(m.Thoughts)), len(word(m.Reasoning)), thoughts(m.Content)) + size(m.Tools) + size(m.Function)
}

const longestReason = 60 // bytes of a finish_reason in messages

type choice struct {
	Message json.RawMessage `json:"message"`
	Legacy  json.RawMessage `json:"text"` // of the older protocol, which has no message
	Finish  json.RawMessage `json:"finish_reason"`
}

// speaks reports whether a choice has a text.
func (c choice) speaks() bool {
	_, content, err := c.read()
	return err == nil && strings.TrimSpace(content) != ""
}

// read returns the message of a choice, and its text.
func (c choice) read() (m message, content string, err error) {
	if json.Unmarshal(c.Message, &m) != nil || string(c.Message) == "null" {
		if content = word(c.Legacy); content == "" {
			return m, "", errors.New("the choice has no message")
		}
		return m, content, nil
	}
	content, ok := text(m.Content)
	if !ok {
		return m, "", errors.New("the content of the message must be a string or a list of parts")
	}
	return m, content, nil
}

// usage also finds the usage in the places where Groq and Moonshot put it.
func usage(body []byte, u money.Usage) money.Usage {
	if u.Input.Said || u.Output.Said {
		return u
	}
	u, _ = UsageOf(body)
	return u
}

// text reads a string, or joins the texts of a list of parts; null and a missing value are "".
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

// thoughts counts the bytes of the thoughts in a list of parts, where Mistral and Anthropic put them.
func thoughts(data json.RawMessage) (bytes int) {
	var parts []struct {
		Thinking json.RawMessage `json:"thinking"`
	}
	_ = json.Unmarshal(data, &parts) // a content that is not a list of parts has none
	for _, p := range parts {
		if said, ok := text(p.Thinking); ok {
			bytes += len(said)
		}
	}
	return bytes
}

// word reads a string; values of other types are "".
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
		u, found := UsageOf(answer)
		if !found || !r.Readable(u) {
			return 0, false
		}
		return price.Cost(u.Input.Tokens, u.Output.Tokens), true
	}
}

package chat

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/cogniverse/cogflow/money"
)

// Servers and gateways stream answers without a request for a stream, send comments before an
// answer to keep the connection open, or answer in Ollama's own protocol. These answers are paid
// for, and must not be lost.

// Assemble converts a body of another form to an answer: a stream of events or of JSON lines, an
// answer after comments, or an answer in a list of one. whole is false for a stream that breaks
// off or cannot be read. An error in a stream becomes the error of the answer.
func Assemble(body []byte) (answer []byte, whole bool) {
	payload, named := payloads(unended(body))
	if !named && json.Valid(payload) && !native(payload) {
		return unwrapped(payload), true
	}
	s := read(payload)
	if !s.whole() {
		return nil, false
	}
	answer, err := json.Marshal(s.answer())
	return answer, err == nil
}

// unended removes the end mark of a stream that some gateways send after an answer that is not
// streamed.
func unended(body []byte) []byte {
	answer, found := bytes.CutSuffix(bytes.TrimSpace(body), []byte("data: [DONE]"))
	if found && json.Valid(answer) {
		return answer
	}
	return body
}

// unwrapped returns an answer without a list of one, or the envelope of a gateway, around it.
func unwrapped(body []byte) []byte {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) == 1 {
		body = list[0]
	}
	var outer map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil || !missing(outer["choices"]) {
		return body
	}
	if answer, ok := translated(outer); ok {
		return answer
	}
	for _, name := range []string{"data", "result", "response", "output"} {
		var inner map[string]json.RawMessage
		if json.Unmarshal(outer[name], &inner) != nil {
			continue
		}
		if answer, ok := translated(inner); ok {
			return answer
		}
		if missing(inner["choices"]) {
			continue
		}
		for _, beside := range []string{"usage", "error", "model"} {
			if missing(inner[beside]) && !missing(outer[beside]) {
				inner[beside] = outer[beside]
			}
		}
		if answer, err := json.Marshal(inner); err == nil {
			return answer
		}
	}
	return body
}

// native reports whether an answer has the form of Ollama's own protocol.
func native(body []byte) bool {
	var said struct {
		Choices json.RawMessage `json:"choices"`
		Done    *bool           `json:"done"`
	}
	return json.Unmarshal(body, &said) == nil && said.Choices == nil && said.Done != nil
}

// done replaces the end mark of a stream by JSON, for json.Decoder.
const done = `{"cogflow":"end of stream"}`

// payloads returns the data of a stream of events; named is true if the body has events. Without
// events it returns the body without comments.
func payloads(body []byte) (data []byte, named bool) {
	var out, rest bytes.Buffer
	failed := false // the event has the type error
	for line := range bytes.SplitSeq(bytes.ReplaceAll(body, []byte("\r"), []byte("\n")), []byte("\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(name) {
		case "":
		case "event":
			failed = string(value) == "error"
		case "id", "retry":
		case "data":
			named = true
			out.Write(event(value, failed))
			out.WriteByte('\n')
		default:
			if named && line[0] == '{' && json.Valid(line) { // an error between events
				out.Write(line)
				out.WriteByte('\n')
				continue
			}
			rest.Write(line)
			rest.WriteByte('\n')
		}
	}
	if named {
		return out.Bytes(), true
	}
	if rest.Len() == 0 { // comments, or nothing
		return nil, false
	}
	return bytes.TrimSpace(rest.Bytes()), false
}

// event is the data of an event as JSON; nil for comments, which some servers send as events.
func event(value []byte, failed bool) []byte {
	switch {
	case string(value) == "[DONE]":
		return []byte(done)
	case len(value) == 0, value[0] == ':':
		return nil
	case failed && json.Valid(value) && !bytes.Contains(value, []byte(`"error"`)):
		return append(append([]byte(`{"error":`), value...), '}')
	}
	return value
}

// chunk is a part of an answer: of OpenAI's protocol, or of Ollama's.
type chunk struct {
	Model   json.RawMessage `json:"model"`
	Object  json.RawMessage `json:"object"`
	Choices []struct {
		Index   json.RawMessage `json:"index"`
		Delta   *message        `json:"delta"`
		Message *message        `json:"message"`
		Text    json.RawMessage `json:"text"`
		Finish  json.RawMessage `json:"finish_reason"`
		Usage   json.RawMessage `json:"usage"` // Moonshot
		Error   json.RawMessage `json:"error"`
	} `json:"choices"`
	Usage json.RawMessage `json:"usage"`
	Error json.RawMessage `json:"error"`
	Groq  struct {
		Usage json.RawMessage `json:"usage"`
	} `json:"x_groq"`
	End string `json:"cogflow"`

	Message *struct {
		message
		Thinking json.RawMessage `json:"thinking"`
	} `json:"message"`
	Done   bool            `json:"done"`
	Reason json.RawMessage `json:"done_reason"`
	Input  json.RawMessage `json:"prompt_eval_count"`
	Output json.RawMessage `json:"eval_count"`
}

// stream is the received part of a stream.
type stream struct {
	text, thoughts, refusal strings.Builder
	tools                   []json.RawMessage
	model, finish, failure  json.RawMessage
	usage                   json.RawMessage
	others                  strings.Builder // texts of the choices beside the first
	chunks                  int
	ended, damaged          bool
}

func read(payload []byte) *stream {
	s := &stream{}
	d := json.NewDecoder(bytes.NewReader(payload))
	for d.More() {
		var value json.RawMessage
		if d.Decode(&value) != nil {
			s.damaged = true
			break
		}
		s.add(value)
	}
	return s
}

// whole reports whether the stream is complete; an error also ends it. Parts after the end of the
// text, such as the usage, may be missing.
func (s *stream) whole() bool {
	return s.chunks > 0 && (word(s.finish) != "" || s.failure != nil || s.ended && !s.damaged)
}

// add takes one part, and ignores values that cannot be read.
func (s *stream) add(value json.RawMessage) {
	var c chunk
	if value[0] != '{' {
		return
	}
	_ = json.Unmarshal(value, &c) // fields of another type stay empty
	if c.End != "" {
		s.ended = true
		return
	}
	s.chunks++
	if word(c.Object) == "error" && missing(c.Error) {
		c.Error = value // vLLM
	}
	for _, usage := range []json.RawMessage{c.Usage, c.Groq.Usage} {
		s.count(usage)
	}
	s.fail(c.Error)
	if s.model == nil {
		s.model = c.Model
	}
	for _, choice := range c.Choices {
		if index := string(choice.Index); index != "" && strings.Trim(index, `"`) != "0" && index != "null" {
			s.beside(choice.Delta, choice.Message, choice.Text)
			continue
		}
		if choice.Delta != nil {
			s.write(*choice.Delta)
		} else if choice.Message != nil { // the complete message in one event
			s.text.Reset()
			s.thoughts.Reset()
			s.write(*choice.Message)
		}
		s.text.WriteString(word(choice.Text))
		s.end(choice.Finish)
		s.count(choice.Usage)
		s.fail(choice.Error)
	}
	if m := c.Message; m != nil {
		s.write(m.message)
		s.thoughts.WriteString(word(m.Thinking))
	}
	if c.Done {
		s.ended = true
		s.end(c.Reason)
		if usage, err := json.Marshal(map[string]json.RawMessage{"prompt_tokens": orNull(c.Input), "completion_tokens": orNull(c.Output)}); err == nil {
			s.count(usage)
		}
	}
}

// beside counts a part of a choice beside the first.
func (s *stream) beside(delta, whole *message, legacy json.RawMessage) {
	s.others.WriteString(word(legacy))
	for _, m := range []*message{delta, whole} {
		if m != nil {
			content, _ := text(m.Content)
			s.others.WriteString(content + word(m.Refusal) + word(m.Thoughts))
		}
	}
}

func (s *stream) write(m message) {
	content, _ := text(m.Content)
	s.text.WriteString(content)
	s.refusal.WriteString(word(m.Refusal))
	thoughts := word(m.Thoughts)
	if thoughts == "" {
		thoughts = word(m.Reasoning)
	}
	s.thoughts.WriteString(thoughts)
	for _, tools := range []json.RawMessage{m.Tools, m.Function} {
		if size(tools) > 0 {
			s.tools = append(s.tools, tools)
		}
	}
}

func (s *stream) end(finish json.RawMessage) {
	if word(finish) != "" {
		s.finish = finish
	}
}

// count keeps the last usage: servers that send a usage with each part send running totals.
func (s *stream) count(usage json.RawMessage) {
	var u money.Usage
	if len(usage) > 0 && json.Unmarshal(usage, &u) == nil && (u.Input.Said || u.Output.Said) {
		s.usage = usage
	}
}

func (s *stream) fail(err json.RawMessage) {
	if !missing(err) {
		s.failure = err
	}
}

func missing(data json.RawMessage) bool {
	text := string(data)
	return text == "" || text == "null" || text == `""` || text == "{}"
}

func orNull(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null")
	}
	return data
}

// UsageOf finds the usage in an answer that may have broken off. A stream whose text has not
// ended has only the usage of a part, which is not returned.
func UsageOf(body []byte) (u money.Usage, found bool) {
	payload, named := payloads(unended(body))
	s := read(payload)
	switch {
	case !named && s.chunks == 0:
		return money.UsageOf(body)
	case !named && s.chunks == 1 && !s.damaged, word(s.finish) != "", s.failure != nil:
		found = json.Unmarshal(s.usage, &u) == nil && (u.Input.Said || u.Output.Said)
	}
	return u, found
}

// answer converts the stream to the form of an answer that was not streamed.
func (s *stream) answer() map[string]any {
	m := map[string]any{"content": s.text.String(), "refusal": s.refusal.String(), "reasoning_content": s.thoughts.String()}
	if len(s.tools) > 0 {
		m["tool_calls"] = s.tools
	}
	choices := []any{map[string]any{"message": m, "finish_reason": orNull(s.finish)}}
	if s.others.Len() > 0 {
		choices = append(choices, map[string]any{"message": map[string]any{"reasoning_content": s.others.String()}}) // counted, never read
	}
	out := map[string]any{"model": orNull(s.model), "choices": choices, "usage": orNull(s.usage)}
	if s.failure != nil {
		out["error"] = s.failure
	}
	return out
}

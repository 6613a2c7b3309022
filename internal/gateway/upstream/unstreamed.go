package upstream

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"

	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/safetext"
)

// fields are those of a JSON object.
type fields map[string]json.RawMessage

// asEvents makes a stream of an answer that is not streamed: one event with the whole text, and one
// with the usage if the caller asked for it.
func asEvents(answer []byte, r *safetext.Redactor, usage bool) ([]byte, error) {
	var whole fields
	var choices []fields
	if err := json.Unmarshal(answer, &whole); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(whole["choices"], &choices); err != nil {
		return nil, err
	}
	for _, c := range choices {
		if c["message"] == nil {
			continue
		}
		delta, err := deltaOf(c["message"], answer, r)
		if err != nil {
			return nil, err
		}
		c["delta"], whole["object"] = delta, json.RawMessage(`"chat.completion.chunk"`)
		delete(c, "message")
	}
	counted := maps.Clone(whole)
	counted["choices"] = json.RawMessage("[]")
	delete(whole, "usage")
	var err error
	if whole["choices"], err = json.Marshal(choices); err != nil {
		return nil, err
	}
	all := []fields{whole}
	if usage && counted["usage"] != nil {
		all = append(all, counted)
	}
	var out bytes.Buffer
	for _, event := range all {
		data, err := json.Marshal(event)
		if err != nil {
			return nil, err
		}
		out.WriteString("data: ")
		out.Write(data)
		out.WriteString("\n\n")
	}
	out.WriteString("data: [DONE]\n\n")
	return out.Bytes(), nil
}

// deltaOf is a message as a part of a stream, where the content is a string and calls of tools are
// numbered.
func deltaOf(message, answer []byte, r *safetext.Redactor) (json.RawMessage, error) {
	var delta fields
	if err := json.Unmarshal(message, &delta); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(delta["content"], []byte("[")) {
		said, err := chat.Read(r, answer)
		if err != nil {
			return nil, err
		}
		if delta["content"], err = json.Marshal(said.Text); err != nil {
			return nil, err
		}
	}
	var calls []fields
	if json.Unmarshal(delta["tool_calls"], &calls) == nil && len(calls) > 0 {
		for i := range calls {
			calls[i]["index"] = json.RawMessage(strconv.Itoa(i))
		}
		var err error
		if delta["tool_calls"], err = json.Marshal(calls); err != nil {
			return nil, err
		}
	}
	return json.Marshal(delta)
}

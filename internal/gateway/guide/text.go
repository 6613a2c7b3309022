package guide

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/upstream"
	"github.com/cogniverse/cogflow/strictjson"
)

// Prompt is the request of /generate. Other fields are passed on to the model server.
type Prompt struct {
	Prompt       string   `json:"prompt"`
	Model        string   `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
	Temperature  float64  `json:"temperature,omitempty" jsonschema:"default 0.7"`
	MaxTokens    int      `json:"max_tokens,omitempty" jsonschema:"default 100"`
	Stop         []string `json:"stop,omitempty"`
	SystemPrompt string   `json:"system_prompt,omitempty" jsonschema:"text in front of the prompt"`
	Stream       bool     `json:"stream,omitempty" jsonschema:"must be false: the answer is always whole"`
}

// Open implements api.Open.
func (Prompt) Open() string { return passed }

const passed = "Other fields are passed on to the model server."

// Generated is the answer of /generate.
type Generated struct {
	Text      string          `json:"text"`
	Model     string          `json:"model"`
	Usage     json.RawMessage `json:"usage"`
	LatencyMS float64         `json:"latency_ms"`
	Status    string          `json:"status"`
}

// Conversation is the request of /chat-completions. Other fields are passed on to the model server.
type Conversation struct {
	Messages    []map[string]any `json:"messages"`
	Model       string           `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
	Temperature float64          `json:"temperature,omitempty" jsonschema:"default 0.7"`
	MaxTokens   int              `json:"max_tokens,omitempty" jsonschema:"default 100"`
	Stop        []string         `json:"stop,omitempty"`
}

// Open implements api.Open.
func (Conversation) Open() string { return passed }

// Defaults of Cogniverse's inference service.
const (
	defaultTemperature = 0.7
	defaultMaxTokens   = 100
)

func (a *API) generate(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	began := time.Now()
	out, err := a.generated(r, c)
	if err != nil {
		return told(w, c, err, failure{Status: "error", LatencyMS: milliseconds(began)})
	}
	out.LatencyMS, out.Status = milliseconds(began), "success"
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (a *API) generated(r *http.Request, c api.Caller) (Generated, error) {
	body, err := fields(r, "prompt", "system_prompt", "temperature", "stop")
	if err != nil {
		return Generated{}, err
	}
	var p struct {
		Prompt *string `json:"prompt"`
		System string  `json:"system_prompt"`
		Stream bool    `json:"stream"`
	}
	for name, into := range map[string]any{"prompt": &p.Prompt, "system_prompt": &p.System, "stream": &p.Stream} {
		if raw := body[name]; raw != nil {
			if err := strictjson.Unmarshal(raw, into); err != nil {
				return Generated{}, api.BadField(name, name+": "+err.Error())
			}
		}
	}
	switch {
	case p.Prompt == nil || *p.Prompt == "":
		return Generated{}, api.BadField("prompt", "prompt is required")
	case p.Stream:
		return Generated{}, api.BadField("stream", "/generate does not stream; use /v1/completions")
	case p.System != "":
		*p.Prompt = p.System + "\n\n" + *p.Prompt
	}
	delete(body, "system_prompt")
	delete(body, "stream")
	if err := set(body, "prompt", *p.Prompt); err != nil {
		return Generated{}, err
	}
	if err := defaults(body); err != nil {
		return Generated{}, err
	}
	model, answer, err := a.call(r.Context(), c, upstream.Completions, body)
	if err != nil {
		return Generated{}, err
	}
	var said struct {
		Choices []struct {
			Text *string `json:"text"`
		} `json:"choices"`
		Usage json.RawMessage `json:"usage"`
	}
	if json.Unmarshal(answer, &said) != nil || len(said.Choices) == 0 || said.Choices[0].Text == nil {
		return Generated{}, api.Fail(http.StatusBadGateway, "upstream_failed", "the answer of the model server has no text")
	}
	out := Generated{Text: *said.Choices[0].Text, Model: model, Usage: said.Usage}
	if out.Usage == nil || string(out.Usage) == "null" {
		out.Usage = json.RawMessage("{}")
	}
	return out, nil
}

// chat is /v1/chat/completions with other defaults. The model server applies the chat template of
// the model, which Cogniverse's service replaced by a text of its own.
func (a *API) chat(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	began := time.Now()
	err := a.converse(w, r, c)
	return told(w, c, err, failure{Status: "error", LatencyMS: milliseconds(began)})
}

func (a *API) converse(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	body, err := fields(r, "messages", "temperature", "stop")
	if err != nil {
		return err
	}
	var messages []json.RawMessage
	if json.Unmarshal(body["messages"], &messages) != nil || len(messages) == 0 {
		return api.BadField("messages", "messages array is required")
	}
	if err := defaults(body); err != nil {
		return err
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	q, err := upstream.ReadJSON(upstream.Chat, data, c)
	if err != nil {
		return err
	}
	return a.Server.Serve(r.Context(), w, c, q)
}

// fields reads a request as an object. known are names that are read here: a name that differs only
// in case is refused. The names that upstream reads are checked there.
func fields(r *http.Request, known ...string) (map[string]json.RawMessage, error) {
	data, err := api.ReadJSON(r)
	if err != nil {
		return nil, err
	}
	var body map[string]json.RawMessage
	if err := strictjson.Unmarshal(data, &body); err != nil || body == nil {
		reason := "it is null"
		if err != nil {
			reason = err.Error()
		}
		return nil, api.Fail(http.StatusBadRequest, "invalid_json", "the body must be one JSON object: "+reason)
	}
	for name := range body {
		if i := slices.IndexFunc(known, func(k string) bool { return k != name && strings.EqualFold(k, name) }); i >= 0 {
			return nil, api.BadField(known[i], "write the name as "+known[i])
		}
	}
	return body, nil
}

// defaults sets what Cogniverse's service assumes.
func defaults(body map[string]json.RawMessage) error {
	if body["temperature"] == nil {
		if err := set(body, "temperature", defaultTemperature); err != nil {
			return err
		}
	}
	if body["max_tokens"] == nil && body["max_completion_tokens"] == nil {
		if err := set(body, "max_tokens", defaultMaxTokens); err != nil {
			return err
		}
	}
	if stop := string(body["stop"]); stop == "[]" || stop == "null" {
		delete(body, "stop")
	}
	return nil
}

package lmtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt"
)

const bytesAToken = 4

// tokens estimates the number of tokens of a text.
func tokens(text string) int { return (len(text) + bytesAToken - 1) / bytesAToken }

// decode reads a call and returns what OpenAI would refuse.
func decode(r *http.Request) (Call, string) {
	defer drain(r.Body)
	var c Call
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(&c)
	c.Fingerprint = r.Header.Get("Idempotency-Key")
	if err != nil {
		return c, "We could not parse the JSON body of your request: " + err.Error()
	}
	return c, c.problem()
}

func (c Call) problem() string {
	switch {
	case c.Model == "":
		return "you must provide a model parameter"
	case len(c.Messages) == 0:
		return "Invalid 'messages': empty array. Expected an array with minimum length 1"
	case c.Heat != nil && (*c.Heat < 0 || *c.Heat > 2):
		return "Invalid 'temperature': it must be from 0 to 2"
	case c.MaxTokens != nil && c.NewMax != nil:
		return "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
	case c.MaxTokens != nil && *c.MaxTokens < 1, c.NewMax != nil && *c.NewMax < 1:
		return "Invalid 'max_tokens': integer below minimum value"
	case len(c.Stop) > 4:
		return "Invalid 'stop': array too long"
	}
	for _, m := range c.Messages {
		if !slices.Contains([]prompt.Role{prompt.System, prompt.User, prompt.Assistant}, m.Role) {
			return "Invalid value: '" + string(m.Role) + "'. Supported values are: 'system', 'assistant', 'user'"
		}
	}
	return c.badFormat()
}

func (c Call) badFormat() string {
	if c.Format == nil {
		return ""
	}
	kind, _ := c.Format.Get("type")
	switch kind {
	case "text":
	case "json_object":
		if !strings.Contains(strings.ToLower(c.Text()), "json") {
			return "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
		}
	case "json_schema":
		schema, _ := c.Format.Get("json_schema")
		inner, ok := schema.(*prompt.Object)
		if !ok {
			return "Missing required parameter: 'response_format.json_schema'."
		}
		if name, _ := inner.Get("name"); name == nil {
			return "Missing required parameter: 'response_format.json_schema.name'."
		}
	default:
		return "Invalid value of 'response_format.type'"
	}
	return ""
}

// Text is the text of all messages.
func (c Call) Text() string {
	var all strings.Builder
	for _, m := range c.Messages {
		all.WriteString(m.Text() + "\n")
	}
	return all.String()
}

// Question is the last message.
func (c Call) Question() string { return c.Messages[len(c.Messages)-1].Text() }

// most is the maximum length of the answer in tokens; 0 = unlimited.
func (c Call) most() int {
	for _, n := range []*int{c.MaxTokens, c.NewMax} {
		if n != nil {
			return *n
		}
	}
	return 0
}

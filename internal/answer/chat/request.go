package chat

import (
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Request is the body of a request. The library's own type cannot encode a temperature of 0,
// which is the most common one, and would reorder a response format.
type Request struct {
	Model               string         `json:"model"`
	Messages            any            `json:"messages"`
	Temperature         *float64       `json:"temperature,omitempty"`
	MaxTokens           int            `json:"max_tokens,omitempty"`
	MaxCompletionTokens int            `json:"max_completion_tokens,omitempty"`
	Stop                []string       `json:"stop,omitempty"`
	Seed                *int64         `json:"seed,omitempty"`
	Format              *python.Object `json:"response_format,omitempty"`
	Template            map[string]any `json:"chat_template_kwargs,omitempty"`
}

// Without returns the request without parameters that its model does not support: max_tokens
// gets its other name, and a JSON schema becomes a plain JSON object before the response format
// is omitted.
func (r Request) Without(w params.Set) Request {
	if w.Has(params.Temperature) {
		r.Temperature = nil
	}
	if w.Has(params.Seed) {
		r.Seed = nil
	}
	if w.Has(params.Stop) {
		r.Stop = nil
	}
	if w.Has(params.Template) {
		r.Template = nil
	}
	switch {
	case w.Has(params.MaxTokens) && r.MaxTokens > 0:
		r.MaxTokens, r.MaxCompletionTokens = 0, r.MaxTokens
	case w.Has(params.MaxCompletionTokens) && r.MaxCompletionTokens > 0:
		r.MaxTokens, r.MaxCompletionTokens = r.MaxCompletionTokens, 0
	}
	if w.Has(params.JSONSchema) && r.kind() == jsonSchema {
		r.Format = python.NewObject("type", "json_object")
	}
	if w.Has(params.JSONObject) && r.kind() != jsonSchema {
		r.Format = nil
	}
	return r
}

// Fit sends a request with a max_tokens that its model supports, and once more if the model refuses
// it and names its maximum: longer answers than that do not exist.
func Fit(e *params.Endpoint, model string, r Request, send func(Request) ([]byte, error)) ([]byte, params.Set, error) {
	r = r.atMost(e.MaxTokens(model, r.tokens()))
	said, err := send(r)
	if most, ok := params.Lower(r.tokens(), err); ok {
		r = r.atMost(most)
		if said, err = send(r); err == nil {
			e.Lowered(model, most)
		}
	}
	return said, r.Parameters(), err
}

// tokens is max_tokens, under either name.
func (r Request) tokens() int { return r.MaxTokens + r.MaxCompletionTokens }

func (r Request) atMost(tokens int) Request {
	r.MaxTokens, r.MaxCompletionTokens = min(r.MaxTokens, tokens), min(r.MaxCompletionTokens, tokens)
	return r
}

const jsonSchema = "json_schema"

func (r Request) kind() any {
	kind, _ := r.Format.Get("type")
	return kind
}

// Parameters returns the parameters that the request has.
func (r Request) Parameters() (s params.Set) {
	for _, p := range []struct {
		has bool
		of  params.Set
	}{
		{r.Temperature != nil, params.Temperature},
		{r.Seed != nil, params.Seed},
		{len(r.Stop) > 0, params.Stop},
		{r.Template != nil, params.Template},
		{r.MaxTokens > 0, params.MaxTokens},
		{r.MaxCompletionTokens > 0, params.MaxCompletionTokens},
		{r.Format != nil && r.kind() == jsonSchema, params.JSONSchema},
		{r.Format != nil && r.kind() != jsonSchema, params.JSONObject},
	} {
		if p.has {
			s |= p.of
		}
	}
	return s
}

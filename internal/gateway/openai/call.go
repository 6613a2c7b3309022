package openai

import (
	"context"
	"net/http"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/upstream"
)

// Server answers requests by model servers; see upstream.Dispatcher.
type Server interface {
	Catalog
	Serve(ctx context.Context, w http.ResponseWriter, c api.Caller, q *upstream.Request) error
}

// Body is a request that is passed on as it is. Only the fields below are read, by their exact
// names; a field that is listed twice is refused.
type Body struct {
	Model               string         `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
	Stream              bool           `json:"stream,omitempty" jsonschema:"answer with events"`
	StreamOptions       *StreamOptions `json:"stream_options,omitempty"`
	MaxTokens           int            `json:"max_tokens,omitempty"`
	MaxCompletionTokens int            `json:"max_completion_tokens,omitempty"`
	N                   int            `json:"n,omitempty"`
}

// StreamOptions are those of OpenAI's protocol.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage,omitempty" jsonschema:"end the stream with the usage"`
}

// Form is a request with a file.
type Form struct {
	Model string `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
	File  string `json:"file" jsonschema:"the audio file"`
}

// Answer is what the model server answers.
type Answer map[string]any

func (a *API) json(u upstream.Use) api.Handler {
	return func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
		body, err := api.ReadJSON(r)
		if err != nil {
			return err
		}
		q, err := upstream.ReadJSON(u, body, c)
		if err != nil {
			return err
		}
		return a.Server.Serve(r.Context(), w, c, q)
	}
}

func (a *API) form(u upstream.Use) api.Handler {
	return func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
		body, err := api.Read(r)
		if err != nil {
			return err
		}
		q, err := upstream.ReadForm(u, body, r.Header.Get("Content-Type"), c.Model)
		if err != nil {
			return err
		}
		return a.Server.Serve(r.Context(), w, c, q)
	}
}

// Package openai has the routes of OpenAI's API. It knows no listener and no key.
package openai

import (
	"net/http"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/upstream"
)

// Catalog lists the models that can be called.
type Catalog interface {
	// Models are the names of all models, sorted.
	Models() []string
}

// API has the routes.
type API struct {
	Server Server
}

// Models is the list of models.
type Models struct {
	Object string  `json:"object"`
	Data   []Model `json:"data"`
}

// Model is one model.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`

	Revision    string `json:"revision,omitempty"`
	MaxModelLen int    `json:"max_model_len,omitempty" jsonschema:"maximum number of tokens of a request and its answer"`
}

const tag = "models"

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	call := func(name, summary string, u upstream.Use, request any, streams bool) api.Route {
		return api.Route{
			Method: http.MethodPost, Path: u.Path, Name: name, Tag: tag, Summary: summary, Request: request, Response: Answer{}, Stream: streams,
			Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusBadGateway}, Handle: a.json(u),
		}
	}
	transcribe := call("transcribe", "Transcribe a sound file", upstream.Transcribe, Form{}, false)
	transcribe.RequestMedia, transcribe.Media, transcribe.Handle = "multipart/form-data", "text/plain", a.form(upstream.Transcribe)
	return []api.Route{
		call("chat", "Continue a conversation", upstream.Chat, Chat{}, true),
		call("complete", "Continue a text", upstream.Completions, Completion{}, true),
		call("embed", "Vectors of texts", upstream.Embeddings, Embedding{}, false),
		call("pool", "Vectors of the tokens of texts or images", upstream.Pooling, Pooling{}, false),
		call("embedVideo", "Vector of a video, as Cogniverse's services do", upstream.EmbedVideo, EmbedVideo{}, false),
		call("embedPart", "Vectors of a part of a video, as Cogniverse's service of VideoPrism does", upstream.EmbedPart, EmbedPart{}, false),
		call("embedAudio", "Vector of a sound, as Cogniverse's services do", upstream.EmbedAudio, EmbedAudio{}, false),
		call("embedText", "Vector of a text for videos or sounds, as Cogniverse's services do", upstream.EmbedText, EmbedText{}, false),
		call("tokenize", "Count tokens", upstream.Tokenize, Tokens{}, false),
		transcribe,
		{Method: http.MethodGet, Path: "/v1/models", Name: "listModels", Tag: tag, Summary: "List the models", Response: Models{}, Handle: a.models},
	}
}

func (a *API) models(w http.ResponseWriter, _ *http.Request, c api.Caller) error {
	out := Models{Object: "list", Data: []Model{}}
	for _, name := range a.Server.Models() {
		if c.Model == "" || c.Model == name {
			out.Data = append(out.Data, Model{ID: name, Object: "model", OwnedBy: "cogflow", Revision: c.Revision, MaxModelLen: c.MaxModelLen})
		}
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

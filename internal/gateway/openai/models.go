// Package openai has the routes of OpenAI's API. It knows no listener and no key.
package openai

import (
	"net/http"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// Catalog lists the models that can be called.
type Catalog interface {
	// Models are the names of all models, sorted.
	Models() []string
}

// API has the routes.
type API struct {
	Catalog Catalog
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
}

const tag = "models"

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	return []api.Route{
		{Method: http.MethodGet, Path: "/v1/models", Name: "listModels", Tag: tag, Summary: "List the models", Response: Models{}, Handle: a.models},
	}
}

func (a *API) models(w http.ResponseWriter, _ *http.Request, c api.Caller) error {
	out := Models{Object: "list", Data: []Model{}}
	for _, name := range a.Catalog.Models() {
		if c.Model == "" || c.Model == name {
			out.Data = append(out.Data, Model{ID: name, Object: "model", OwnedBy: "cogflow"})
		}
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

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

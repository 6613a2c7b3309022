// Package guide has the routes that Cogniverse's deployment guide documents: those of its inference
// service and of its VLM service. Their requests become calls of OpenAI's API, so models, failover,
// budgets, limits and bookings are those of /v1. It knows no listener and no key.
package guide

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/upstream"
)

// Server answers requests by model servers; see upstream.Dispatcher.
type Server interface {
	Models() []string
	Well(model string) bool
	Served(model string, u upstream.Use) error // why no endpoint serves a model for a use
	Serve(ctx context.Context, w http.ResponseWriter, c api.Caller, q *upstream.Request) error
}

// Store keeps the frames of batches.
type Store interface {
	activities.Store
	Owners(ctx context.Context) ([]string, error)
}

// API has the routes.
type API struct {
	Server Server
	Store  func(ctx context.Context) (Store, error) // the objects of tenants
	Jobs   Jobs
	For    time.Duration    // how long the frames of a batch are kept after the last request with them; at least an hour
	Now    func() time.Time // nil = time.Now

	batches batches
}

const tag = "cogniverse"

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	model := []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusBadGateway}
	call := func(path, name, summary string, request, response any, h api.Handler) api.Route {
		return api.Route{
			Method: http.MethodPost, Path: path, Name: name, Tag: tag, Summary: summary, Request: request, Response: response,
			Errors: model, Handle: h,
		}
	}
	health := api.Route{
		Method: http.MethodGet, Path: "/health", Name: "guideHealth", Tag: tag, Summary: "Whether the model of the listener can be called",
		Response: Health{}, Public: true, Errors: []int{http.StatusServiceUnavailable}, Handle: a.health,
	}
	chat := call("/chat-completions", "guideChat", "Continue a conversation", Conversation{}, map[string]any{}, a.chat)
	chat.Stream = true
	return append([]api.Route{
		call("/generate", "generate", "Continue a text", Prompt{}, Generated{}, a.generate),
		chat,
		health,
		{Method: http.MethodGet, Path: "/models", Name: "guideModels", Tag: tag, Summary: "List the models", Response: Catalog{}, Handle: a.models},
		call("/generate_description", "generateDescription", "Describe a frame", Frame{}, Description{}, a.describe),
		// The caller of the batch makes its URL from this one, by exchanging the words.
		call("/generate-description", "generateDescriptionHyphens", "Describe a frame", Frame{}, Description{}, a.describe),
	}, a.batchRoutes(model)...)
}

// Health is the answer of /health.
type Health struct {
	Status       string            `json:"status"`
	Service      string            `json:"service"`
	DefaultModel string            `json:"default_model" jsonschema:"the model of the listener; empty = any"`
	Model        string            `json:"model" jsonschema:"the same"`
	Timestamp    time.Time         `json:"timestamp"`
	Endpoints    map[string]string `json:"endpoints"`
}

func (a *API) health(w http.ResponseWriter, _ *http.Request, c api.Caller) error {
	if c.Model != "" && !a.Server.Well(c.Model) {
		return &api.Error{
			Status: http.StatusServiceUnavailable, Code: "unhealthy", RetryAfter: 5 * time.Second,
			Message: "the servers of the model " + strconv.Quote(c.Model) + " have failed repeatedly, or no endpoint serves it",
		}
	}
	api.WriteJSON(w, http.StatusOK, Health{
		Status: "healthy", Service: "cogflow-gateway", DefaultModel: c.Model, Model: c.Model, Timestamp: time.Now().UTC(),
		Endpoints: map[string]string{"generate": "/generate", "chat": "/chat-completions", "health": "/health", "models": "/models"},
	})
	return nil
}

// Catalog is the answer of /models.
type Catalog struct {
	DefaultModel string   `json:"default_model" jsonschema:"the model of the listener; empty = any"`
	Loaded       []string `json:"loaded_models" jsonschema:"all models that can be called"`
	Recommended  []string `json:"recommended_models" jsonschema:"always empty"`
}

func (a *API) models(w http.ResponseWriter, _ *http.Request, c api.Caller) error {
	out := Catalog{DefaultModel: c.Model, Loaded: []string{}, Recommended: []string{}}
	for _, name := range a.Server.Models() {
		if c.Model == "" || c.Model == name {
			out.Loaded = append(out.Loaded, name)
		}
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// failure is the document of a failure with status 200.
type failure struct {
	Error     string  `json:"error"`
	Status    string  `json:"status,omitempty"`
	LatencyMS float64 `json:"latency_ms,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
	UploadID  string  `json:"upload_id,omitempty"`
}

// told answers a failure with status 200 if the callers of the listener expect that, and returns it
// for the log.
func told(w http.ResponseWriter, c api.Caller, err error, f failure) error {
	if _, told := errors.AsType[*api.Told](err); err == nil || told || !c.ErrorsAs200 {
		return err
	}
	f.Error = api.Of(err).Message
	api.WriteJSON(w, http.StatusOK, f)
	return &api.Told{Err: err}
}

// call asks a model and returns its whole answer.
func (a *API) call(ctx context.Context, c api.Caller, u upstream.Use, body map[string]json.RawMessage) (model string, answer []byte, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return "", nil, err
	}
	q, err := upstream.ReadJSON(u, data, c)
	if err != nil {
		return "", nil, err
	}
	if q.Stream {
		return "", nil, errors.New("guide: a whole answer is asked as a stream")
	}
	w := &buffer{header: http.Header{}}
	if err := a.Server.Serve(ctx, w, c, q); err != nil {
		return "", nil, err
	}
	return q.Model, w.body.Bytes(), nil
}

// buffer keeps an answer.
type buffer struct {
	header http.Header
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header         { return b.header }
func (b *buffer) WriteHeader(int)             {}
func (b *buffer) Write(p []byte) (int, error) { return b.body.Write(p) }

// set adds a field to a body.
func set(body map[string]json.RawMessage, name string, value any) error {
	data, err := json.Marshal(value)
	body[name] = data
	return err
}

func seconds(began time.Time) float64 {
	return float64(time.Since(began).Round(10*time.Millisecond)) / float64(time.Second)
}

func milliseconds(began time.Time) float64 {
	return float64(time.Since(began).Round(10*time.Microsecond)) / float64(time.Millisecond)
}

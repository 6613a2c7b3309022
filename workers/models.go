package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/video"
)

// models sends each call to the adapter of the endpoint that serves its model.
// The built-in models serve their own names only.
type models struct {
	describers   map[string]activities.Describer
	embedders    map[string]activities.Embedder // by model, and the kind of input it takes
	transcribers map[string]activities.Transcriber
	checks       []modelCheck
}

// modelCheck asks an endpoint whether it can do its work.
type modelCheck struct {
	endpoint config.Endpoint
	ask      func(ctx context.Context) error
}

func newModels(c config.Config, getenv func(string) string, describer *preview.Describer) (*models, error) {
	m := &models{
		describers:   map[string]activities.Describer{preview.DescriberModel: describer},
		embedders:    map[string]activities.Embedder{preview.EmbedderModel: preview.Embedder{}},
		transcribers: map[string]activities.Transcriber{},
	}
	for _, e := range c.Endpoints {
		key := ""
		if e.KeyVariable != "" {
			if key = getenv(e.KeyVariable); key == "" {
				return nil, fault.New(fault.Auth, "read key of endpoint", e.Name,
					"the variable "+e.KeyVariable+" is not set in the environment of this worker")
			}
		}
		if err := m.connect(e, key); err != nil {
			return nil, fmt.Errorf("cogflow.endpoints.%s: %w", e.Name, err)
		}
	}
	return m, nil
}

// of is the key of an embedder: a model may take texts at one endpoint and
// pictures at another.
func of(model string, of video.Of) string {
	if of == video.OfCaption {
		return model
	}
	return model + " pictures"
}

func unserved(op, model string) error {
	return fault.New(fault.Input, op, model, "no endpoint of this worker serves the model "+strconv.Quote(model)+
		"; add one to cogflow.endpoints and start the worker again")
}

// The three faces of models.
type (
	describing   struct{ *models }
	embedding    struct{ *models }
	transcribing struct{ *models }
)

func (m describing) Limit(model string) int {
	if d := m.describers[model]; d != nil {
		return d.Limit(model)
	}
	return 1
}

func (m describing) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	d := m.describers[r.Stage.Model]
	if d == nil {
		return video.Caption{}, unserved("describe frame", r.Stage.Model)
	}
	return d.Describe(ctx, r)
}

func (m embedding) Limit(model string) int {
	for _, key := range []string{of(model, video.OfFrame), model} {
		if e := m.embedders[key]; e != nil {
			return e.Limit(model)
		}
	}
	return 1
}

func (m embedding) EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error) {
	e := m.embedders[of(r.Stage.Model, r.Stage.Of)]
	if e == nil {
		return nil, unserved("embed texts", r.Stage.Model)
	}
	return e.EmbedTexts(ctx, r)
}

func (m embedding) EmbedPictures(ctx context.Context, r video.PictureRequest) (video.Embedding, error) {
	e := m.embedders[of(r.Stage.Model, r.Stage.Of)]
	if e == nil {
		return video.Embedding{}, unserved("embed pictures", r.Stage.Model)
	}
	return e.EmbedPictures(ctx, r)
}

func (m transcribing) Limit(model string) int {
	if t := m.transcribers[model]; t != nil {
		return t.Limit(model)
	}
	return 1
}

func (m transcribing) Transcribe(ctx context.Context, r video.TranscribeRequest) (video.Transcript, error) {
	t := m.transcribers[r.Stage.Model]
	if t == nil {
		return video.Transcript{}, unserved("transcribe", r.Stage.Model)
	}
	return t.Transcribe(ctx, r)
}

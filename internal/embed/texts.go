package embed

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/video"
)

// Texts embeds texts by OpenAI's /v1/embeddings, many a call.
type Texts struct {
	client *openai.Client
	limit  *limit.Limit
}

// NewTexts makes a Texts.
func NewTexts(o Options) *Texts {
	config := openai.DefaultConfig(o.Key)
	config.BaseURL = o.URL
	config.HTTPClient = o.client().HTTP()
	return &Texts{client: openai.NewClientWithConfig(config), limit: o.limit()}
}

// Limit is how many calls the endpoint takes at once, as far as is known.
func (t *Texts) Limit(string) int { return t.limit.Limit() }

// EmbedPictures refuses: this protocol takes texts only.
func (t *Texts) EmbedPictures(_ context.Context, r video.PictureRequest) (video.Embedding, error) {
	return video.Embedding{}, fault.New(fault.Input, op, r.Stage.Model,
		"an endpoint of kind embeddings takes texts only; leave embed.of empty, or use one of kind pooling")
}

// EmbedTexts embeds texts in one call.
func (t *Texts) EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error) {
	s := r.Stage
	for i, text := range r.Texts {
		if strings.TrimSpace(text) == "" {
			return nil, fault.New(fault.Input, op, s.Model, fmt.Sprintf("text %d is empty", i+1))
		}
	}
	said, err := answer.Measure(t.limit, func() (openai.EmbeddingResponse, error) {
		return t.client.CreateEmbeddings(ctx, openai.EmbeddingRequestStrings{
			Input: r.Texts, Model: openai.EmbeddingModel(s.Model), EncodingFormat: openai.EmbeddingEncodingFormatFloat,
		})
	})
	if err != nil {
		return nil, fault.Wrap(fault.Transport, op, s.Model, err)
	}
	if len(said.Data) != len(r.Texts) {
		return nil, fault.New(fault.Transport, op, s.Model, fmt.Sprintf("%d embeddings for %d texts", len(said.Data), len(r.Texts)))
	}
	out := make([]video.Embedding, len(r.Texts))
	for _, d := range said.Data {
		if d.Index < 0 || d.Index >= len(out) || out[d.Index].Floats != nil {
			return nil, fault.New(fault.Transport, op, s.Model, fmt.Sprintf("the answer has no embedding or two for a text: index %d", d.Index))
		}
		out[d.Index] = unit(video.Embedding{Dim: len(d.Embedding), Rows: 1, Floats: d.Embedding})
		if err := check(s, out[d.Index]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// unit scales a vector to length 1: unlike the models for pictures, many of
// these leave that to the caller, and cosine does not mind.
func unit(e video.Embedding) video.Embedding {
	scaled := slices.Clone(e.Floats)
	if length := norm(scaled); length > 0 {
		for i := range scaled {
			scaled[i] = float32(float64(scaled[i]) / length)
		}
	}
	e.Floats = scaled
	return e
}

// Check asks whether the endpoint serves the model of a stage.
func (t *Texts) Check(ctx context.Context, s video.Stage) error {
	_, err := t.EmbedTexts(ctx, video.TextRequest{Stage: s, Query: true, Texts: []string{"a red tram"}})
	return err
}

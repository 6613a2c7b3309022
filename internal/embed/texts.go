package embed

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// Texts embeds texts by OpenAI's /v1/embeddings, many per call.
type Texts struct {
	url    string
	client *answer.Client
	limit  *limit.Limit
	probes canaries
	params *params.Endpoint
}

// NewTexts makes a Texts.
func NewTexts(o Options) *Texts {
	return &Texts{url: strings.TrimSuffix(o.URL, "/"), client: o.client(), limit: o.limit(), probes: canaries{off: o.NoCanary}, params: cmp.Or(o.Params, &params.Endpoint{})}
}

// Limit is the concurrency that the endpoint takes, as far as is known.
func (t *Texts) Limit(string) int { return t.limit.Limit() }

// EmbedPictures refuses: this protocol takes texts only.
func (t *Texts) EmbedPictures(_ context.Context, r video.PictureRequest) (video.Embedding, error) {
	return video.Embedding{}, money.NeverSent(fault.New(fault.Input, op, r.Stage.Model,
		"an endpoint of kind embeddings takes texts only; leave embed.of empty, or use one of kind pooling"))
}

// EmbedTexts embeds texts in one call.
func (t *Texts) EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error) {
	s := r.Stage
	for i, text := range r.Texts {
		if strings.TrimSpace(text) == "" {
			return nil, money.NeverSent(fault.New(fault.Input, op, s.Model, fmt.Sprintf("text %d is empty", i+1)))
		}
	}
	if len(r.Texts) == 0 {
		return []video.Embedding{}, nil
	}
	said, err := params.Ask(ctx, t.params, s.Model, func(without params.Set) (embeddings, params.Set, error) {
		body := textsBody(r, without)
		said, err := answer.Measure(t.limit, func() (out embeddings, err error) {
			err = t.client.PostUpTo(ctx, bytesOf(s, len(r.Texts)), t.url+"/embeddings", body, &out)
			return out, err
		})
		return said, params.Encoding &^ without, err
	})
	if err != nil {
		return nil, answer.About(op, s.Model, fault.Wrap(fault.Transport, op, s.Model, err))
	}
	out, err := said.read(s, len(r.Texts))
	return out, answer.Bill(nil).Charge(nil, err) // the price is per text
}

// textsBody is the request for the embeddings of texts. Servers that have a field for the
// role of a text are not OpenAI's, and may refuse its empty field user.
func textsBody(r video.TextRequest, without params.Set) any {
	texts := r.Stage.Words(r.Query, r.Texts)
	format := openai.EmbeddingEncodingFormatFloat
	if without.Has(params.Encoding) { // without it, servers write numbers too
		format = ""
	}
	field, role, ok := r.Stage.RoleField(r.Query)
	if !ok {
		return openai.EmbeddingRequestStrings{Input: texts, Model: openai.EmbeddingModel(r.Stage.Model), EncodingFormat: format}
	}
	body := map[string]any{"model": r.Stage.Model, "input": texts, field: role}
	if format != "" {
		body["encoding_format"] = format
	}
	return body
}

// embeddings holds the used fields of an answer.
type embeddings struct {
	Data []struct {
		Index     json.RawMessage `json:"index"`
		Embedding json.RawMessage `json:"embedding"`
	} `json:"data"`
}

// read reads the vectors of a number of texts.
func (e embeddings) read(s video.Stage, texts int) ([]video.Embedding, error) {
	if len(e.Data) != texts {
		return nil, fault.New(fault.Transport, op, s.Model, fmt.Sprintf("%d embeddings for %d texts", len(e.Data), texts))
	}
	out := make([]video.Embedding, texts)
	for i, d := range e.Data {
		at := place(d.Index, i, texts)
		if at < 0 || at >= len(out) || out[at].Floats != nil {
			return nil, fault.New(fault.Transport, op, s.Model, fmt.Sprintf("the answer has no embedding or two for a text: index %d", at))
		}
		v, err := decode(s, d.Embedding)
		if err != nil {
			return nil, video.AsBadVector(err)
		}
		out[at] = unit(v)
		if err := check(s, out[at]); err != nil {
			return nil, video.AsBadVector(err)
		}
	}
	return out, nil
}

// place is the index of the text of vector i, or -1. A server without indexes answers in
// order. An index that is a text counts as well: ignoring it would assign a vector to the
// wrong text.
func place(index json.RawMessage, i, texts int) int {
	said := strings.Trim(string(index), `"`)
	if said == "" || said == "null" {
		return i
	}
	n, err := strconv.ParseFloat(said, 64)
	if err != nil || n != math.Trunc(n) || n < 0 || n >= float64(texts) {
		return -1
	}
	return int(n)
}

// unit scales a vector to length 1: unlike the models for pictures, many of these do not
// normalize, and cosine similarity is not affected.
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

// Check checks that the endpoint serves the model of a stage, if it lists its models, and
// that its vectors have the dimension of the stage. The second check makes a request that
// may be paid, by the money.Payer of ctx, until the model has passed once in this process.
func (t *Texts) Check(ctx context.Context, s video.Stage) error {
	if s.Roles == nil { // some servers require the field that names the role
		s.Roles = s.DefaultRoles()
	}
	if err := t.serves(ctx, s); err != nil {
		return err
	}
	return t.probes.verify(ctx, s, func(ctx context.Context) error {
		return money.Pay(ctx, probe, func(ctx context.Context) error {
			_, err := t.EmbedTexts(ctx, video.TextRequest{Stage: s, Texts: []string{probe}})
			return err
		})
	})
}

// probe is the text that a check embeds.
const probe = "a check of the endpoint"

func (t *Texts) serves(ctx context.Context, s video.Stage) error {
	served, err := t.client.Models(ctx, t.url+"/models", nil)
	switch {
	case fault.ClassOf(err) == fault.Input: // the address does not exist
		return nil
	case err != nil:
		return answer.About(op, s.Model, err)
	}
	for _, id := range served { // Ollama lists a model with its tag, but accepts it without the default one
		served = append(served, strings.TrimSuffix(id, ":latest"))
	}
	return answer.CheckServed(served, []string{s.Model})
}

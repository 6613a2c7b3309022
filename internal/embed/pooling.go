package embed

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/internal/picture"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

// Pooling embeds pictures, segments and queries by vLLM's /pooling: one input per call,
// vectors as base64 of little-endian float32.
type Pooling struct {
	url    string
	client *answer.Client
	limit  *limit.Limit
	birds  canaries
}

// NewPooling makes a Pooling.
func NewPooling(o Options) *Pooling {
	return &Pooling{url: o.URL, client: o.client(), limit: o.limit(), birds: canaries{off: o.NoCanary}}
}

// Limit is the concurrency that the endpoint takes, as far as is known.
func (p *Pooling) Limit(string) int { return p.limit.Limit() }

// The request of /pooling; see vLLM's PoolingChatRequest and
// PoolingCompletionRequest.
type poolingRequest struct {
	Model      string    `json:"model"`
	Task       string    `json:"task"`
	Input      string    `json:"input,omitempty"`
	Messages   []message `json:"messages,omitempty"`
	Encoding   string    `json:"encoding_format"`
	Type       string    `json:"embed_dtype"`
	Endianness string    `json:"endianness"`
}

type message struct {
	Role    string `json:"role"`
	Content []part `json:"content"`
}

type part struct {
	Type  string `json:"type"`
	Text  string `json:"text,omitempty"`
	Image *image `json:"image_url,omitempty"`
}

type image struct {
	URL string `json:"url"`
}

type poolingResponse struct {
	Data []struct {
		Data json.RawMessage `json:"data"`
	} `json:"data"`
}

func request(s video.Stage) poolingRequest {
	r := poolingRequest{Model: s.Model, Task: "embed", Encoding: "base64", Type: "float32", Endianness: "little"}
	if s.Multi {
		r.Task = "token_embed"
	}
	return r
}

// EmbedPictures embeds one picture, or the stills of one segment in one message. The first
// call for a model in this process verifies the model.
func (p *Pooling) EmbedPictures(ctx context.Context, r video.PictureRequest) (video.Embedding, error) {
	err := p.birds.verify(ctx, r.Stage, func(ctx context.Context) error { return p.canary(ctx, r.Stage) })
	if err != nil {
		return video.Embedding{}, money.Booked(err)
	}
	return p.embedPictures(ctx, r)
}

func (p *Pooling) embedPictures(ctx context.Context, r video.PictureRequest) (video.Embedding, error) {
	m := message{Role: "user"}
	for _, jpeg := range r.JPEGs {
		small, err := picture.Fit(jpeg, r.Stage.MaxPixels)
		if err != nil {
			return video.Embedding{}, money.NeverSent(err)
		}
		m.Content = append(m.Content, part{Type: "image_url", Image: &image{"data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(small)}})
	}
	if len(m.Content) == 0 {
		return video.Embedding{}, money.NeverSent(fault.New(fault.Input, op, r.Stage.Model, "no picture to embed"))
	}
	m.Content = append(m.Content, part{Type: "text", Text: "Describe the image."}) // the prompt that these models were trained with
	body := request(r.Stage)
	body.Messages = []message{m}
	return p.ask(ctx, r.Stage, body)
}

// TextsPerCall is 1: /pooling takes one input per request.
func (p *Pooling) TextsPerCall(video.Stage) int { return 1 }

// EmbedTexts embeds queries, one per call.
func (p *Pooling) EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error) {
	out := make([]video.Embedding, len(r.Texts))
	group, ctx := panics.WithContext(ctx)
	group.SetLimit(p.limit.Limit())
	words := r.Stage.Words(r.Query, r.Texts)
	for i, text := range r.Texts {
		group.Go(func() (err error) {
			if strings.TrimSpace(text) == "" {
				return money.NeverSent(fault.New(fault.Input, op, r.Stage.Model, fmt.Sprintf("text %d is empty", i+1)))
			}
			body := request(r.Stage)
			body.Input = words[i]
			out[i], err = p.ask(ctx, r.Stage, body)
			return err
		})
	}
	return out, group.Wait()
}

func (p *Pooling) ask(ctx context.Context, s video.Stage, body poolingRequest) (video.Embedding, error) {
	rows := 1
	if s.Multi {
		rows = maxRows
	}
	said, err := answer.Measure(p.limit, func() (out poolingResponse, err error) {
		err = p.client.PostUpTo(ctx, bytesOf(s, rows), p.url+"/pooling", body, &out)
		return out, answer.About(op, s.Model, err)
	})
	if err != nil {
		return video.Embedding{}, err
	}
	e, err := read(s, said)
	return e, answer.Bill(nil).Charge(nil, err) // the price is per call
}

// read reads the vectors of one input.
func read(s video.Stage, said poolingResponse) (video.Embedding, error) {
	if len(said.Data) != 1 {
		return video.Embedding{}, fault.New(fault.Transport, op, s.Model, fmt.Sprintf("%d answers for one input", len(said.Data)))
	}
	e, err := decode(s, said.Data[0].Data)
	if err != nil {
		return video.Embedding{}, err
	}
	return e, check(s, e)
}

// decode reads vectors as base64, as rows, or as one row.
func decode(s video.Stage, data json.RawMessage) (video.Embedding, error) {
	bad := func(reason string) (video.Embedding, error) {
		return video.Embedding{}, fault.New(fault.Transport, op, s.Model, reason)
	}
	var text string
	var rows []numbers
	var row numbers
	switch {
	case json.Unmarshal(data, &text) == nil:
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw) == 0 || len(raw)%4 != 0 {
			return bad("the answer is not base64 of whole numbers")
		}
		row = make(numbers, len(raw)/4)
		for i := range row {
			row[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		if len(row)%s.Dim != 0 {
			return video.Embedding{}, fault.New(fault.Input, op, s.Model,
				fmt.Sprintf("%d numbers are not a multiple of the profile's %d dimensions", len(row), s.Dim))
		}
		return video.Embedding{Dim: s.Dim, Rows: len(row) / s.Dim, Floats: row}, nil
	case json.Unmarshal(data, &rows) == nil && len(rows) > 0:
		e := video.Embedding{Dim: len(rows[0]), Rows: len(rows)}
		for _, r := range rows {
			if len(r) != e.Dim {
				return bad("its vectors differ in dimension")
			}
			e.Floats = append(e.Floats, r...)
		}
		return e, nil
	case json.Unmarshal(data, &row) == nil && len(row) > 0:
		return video.Embedding{Dim: len(row), Rows: 1, Floats: row}, nil
	}
	return bad("the answer holds no vectors")
}

// numbers are the values of a vector, which are JSON numbers or, from some servers, texts.
// null is refused: encoding/json would read it as 0.
type numbers []float32

// UnmarshalJSON implements json.Unmarshaler.
func (n *numbers) UnmarshalJSON(data []byte) error {
	*n = nil
	if json.Unmarshal(data, (*[]float32)(n)) == nil && *n != nil && !bytes.Contains(data, []byte("null")) {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil || list == nil {
		return errors.New("no list of numbers")
	}
	out := make(numbers, len(list))
	for i, one := range list {
		f, err := strconv.ParseFloat(strings.Trim(string(one), `"`), 32)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return errors.New("no list of numbers")
		}
		out[i] = float32(f)
	}
	*n = out
	return nil
}

// Check checks that the endpoint serves the model of a stage, and that the model is
// complete: without its adapter it returns vectors of the right shape without meaning. The
// second check makes requests that may be paid, by the money.Payer of ctx, until the model
// has passed once in this process.
func (p *Pooling) Check(ctx context.Context, s video.Stage) error {
	served, err := p.client.Models(ctx, strings.TrimSuffix(p.url, "/v1")+"/v1/models", nil) // its URL is without /v1
	if err != nil {
		return err
	}
	if err := answer.CheckServed(served, []string{s.Model}); err != nil {
		return err
	}
	return p.birds.verify(ctx, s, func(ctx context.Context) error { return p.canary(ctx, s) })
}

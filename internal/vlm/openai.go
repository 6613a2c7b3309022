package vlm

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/internal/picture"
	"github.com/cogniverse/cogflow/video"
)

// OpenAI describes frames by OpenAI's chat protocol: vLLM, SGLang, Ollama,
// OpenAI, Anthropic's compatible endpoint. Pictures travel as data URIs, the one
// form that all of them take.
type OpenAI struct {
	options Options
	client  *openai.Client
	limit   *limit.Limit
}

const (
	defaultTokens = 256
	defaultPixels = 768 * 28 * 28 // Qwen2-VL makes one visual token of 28×28 pixels
)

// NewOpenAI makes an OpenAI.
func NewOpenAI(o Options) *OpenAI {
	config := openai.DefaultConfig(o.Key)
	config.BaseURL = o.URL
	config.HTTPClient = o.client().HTTP()
	return &OpenAI{options: o, client: openai.NewClientWithConfig(config), limit: o.limit()}
}

// Limit is how many calls the endpoint takes at once, as far as is known.
func (d *OpenAI) Limit(string) int { return d.limit.Limit() }

// Describe writes the caption of one frame.
func (d *OpenAI) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	request, err := d.request(r)
	if err != nil {
		return video.Caption{}, err
	}
	said, err := answer.Measure(d.limit, func() (openai.ChatCompletionResponse, error) {
		return d.client.CreateChatCompletion(ctx, request)
	})
	if err != nil {
		return video.Caption{}, explain(r.Stage.Model, err)
	}
	return d.read(r.Stage, said)
}

func (d *OpenAI) request(r video.DescribeRequest) (openai.ChatCompletionRequest, error) {
	s := r.Stage
	jpeg, err := picture.Fit(r.JPEG, or(s.MaxPixels, defaultPixels))
	if err != nil {
		return openai.ChatCompletionRequest{}, err
	}
	request := openai.ChatCompletionRequest{
		Model: s.Model, MaxTokens: or(s.MaxTokens, defaultTokens), //nolint:staticcheck // the name that vLLM, SGLang and Ollama know
		// 0 would be left out, and servers then take a default that is not 0.
		Temperature: float32(max(s.Temperature, math.SmallestNonzeroFloat32)),
		Messages: []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, MultiContent: []openai.ChatMessagePart{
			{Type: openai.ChatMessagePartTypeImageURL, ImageURL: &openai.ChatMessageImageURL{URL: dataURI(jpeg)}},
			{Type: openai.ChatMessagePartTypeText, Text: or(s.Prompt, DefaultPrompt)},
		}}},
	}
	if s.Structured {
		request.ResponseFormat = &openai.ChatCompletionResponseFormat{
			Type: openai.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &openai.ChatCompletionResponseFormatJSONSchema{
				Name: "frame", Strict: true, Schema: json.RawMessage(schema),
			},
		}
	}
	return request, nil
}

// schema is what a structured answer looks like.
const schema = `{"type":"object","additionalProperties":false,
"required":["caption","on_screen_text","objects","actions"],
"properties":{"caption":{"type":"string"},"on_screen_text":{"type":"string"},
"objects":{"type":"array","items":{"type":"string"}},"actions":{"type":"array","items":{"type":"string"}}}}`

type structured struct {
	Caption  string   `json:"caption"`
	OnScreen string   `json:"on_screen_text"`
	Objects  []string `json:"objects"`
	Actions  []string `json:"actions"`
}

func (d *OpenAI) read(s video.Stage, said openai.ChatCompletionResponse) (video.Caption, error) {
	bad := func(class fault.Class, reason string) (video.Caption, error) {
		return video.Caption{}, fault.New(class, op, s.Model, reason)
	}
	if len(said.Choices) != 1 {
		return bad(fault.Transport, "the answer has no choice, or several")
	}
	choice := said.Choices[0]
	switch choice.FinishReason {
	case openai.FinishReasonContentFilter:
		return bad(fault.Input, "the model's filter refuses this frame")
	case openai.FinishReasonLength:
		if s.Structured {
			return bad(fault.Input, "the JSON answer was cut at max_tokens; raise it in the profile")
		}
	default:
	}
	out := caption(s, choice.Message.Content)
	if s.Structured {
		var parts structured
		if err := json.Unmarshal([]byte(choice.Message.Content), &parts); err != nil {
			return bad(fault.Transport, "the answer is not the JSON that was asked for: "+err.Error())
		}
		out.Text, out.OnScreenText = parts.Caption, strings.TrimSpace(parts.OnScreen)
		out.Objects, out.Actions = words(parts.Objects), words(parts.Actions)
	}
	text, err := checkText(s.Model, out.Text)
	if err != nil {
		return video.Caption{}, err
	}
	out.Text = text
	out.PromptTokens, out.OutputTokens = said.Usage.PromptTokens, said.Usage.CompletionTokens
	out.CostMicroUSD = d.options.cost(out.PromptTokens, out.OutputTokens, s.CostMicroUSD)
	return out, nil
}

// words trims a model's list and drops what is empty or said twice.
func words(list []string) (out []string) {
	for _, w := range list {
		if w = strings.TrimSpace(w); w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// Check asks whether the endpoint serves the models.
func (d *OpenAI) Check(ctx context.Context, models []string) error {
	list, err := d.client.ListModels(ctx)
	if err != nil {
		return explain("models", err)
	}
	var served []string
	for _, m := range list.Models {
		served = append(served, m.ID)
	}
	return answer.CheckServed(served, models)
}

// explain keeps faults of the transport and classifies what the library says.
func explain(model string, err error) error {
	if fault.ClassOf(err) != "" || err == nil {
		return err
	}
	return fault.Wrap(fault.Transport, op, model, err)
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

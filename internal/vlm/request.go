package vlm

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/picture"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/video"
)

// request is a request for one caption.
type request struct {
	chat.Request
	parts []openai.ChatMessagePart // of the only message
}

func (d *OpenAI) request(r video.DescribeRequest) (request, error) {
	s := r.Stage
	out := request{Request: chat.Request{Model: s.Model, MaxTokens: s.MaxAnswer(), Temperature: &s.Temperature}}
	for _, shown := range r.Pictures() {
		jpeg, err := picture.Fit(shown, cmp.Or(s.MaxPixels, video.DescribeMaxPixels))
		if err != nil {
			return request{}, err
		}
		out.parts = append(out.parts, openai.ChatMessagePart{Type: openai.ChatMessagePartTypeImageURL, ImageURL: &openai.ChatMessageImageURL{URL: dataURI(jpeg)}})
	}
	out.parts = append(out.parts, openai.ChatMessagePart{Type: openai.ChatMessagePartTypeText, Text: s.DescribeText(len(r.Pictures()))})
	if s.Structured {
		out.Format = python.NewObject("type", "json_schema", "json_schema", python.NewObject("name", "frame", "strict", true, "schema", schema()))
	}
	out.say()
	return out.without(omitted(s)), nil
}

// omitted returns the parameters that the profile omits. max_tokens is not among them; see
// video.Stage.MaxAnswer.
func omitted(s video.Stage) (w params.Set) {
	if slices.Contains(s.Omit, "temperature") {
		w |= params.Temperature
	}
	if slices.Contains(s.Omit, "response_format") {
		w |= params.JSONSchema | params.JSONObject
	}
	return w
}

// say makes the message of the parts.
func (r *request) say() {
	r.Messages = []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, MultiContent: r.parts}}
}

// without omits parameters. A prompt names the fields of a structured answer if no schema does.
func (r request) without(w params.Set) request {
	had := r.Parameters().Has(params.JSONSchema)
	r.Request = r.Without(w)
	if had && !r.Parameters().Has(params.JSONSchema) {
		r.parts = append(slices.Clip(r.parts), openai.ChatMessagePart{Type: openai.ChatMessagePartTypeText, Text: fields})
		r.say()
	}
	return r
}

// fields describes a structured answer in words.
const fields = `Answer with one JSON object and nothing else. Its keys are "caption" (a string), "on_screen_text" (a string), "objects" (a list of strings) and "actions" (a list of strings).`

// object cuts the JSON object out of a text. Models that no schema binds write it between other
// text, or in a block of Markdown.
func object(text string) string {
	from, to := strings.Index(text, "{"), strings.LastIndex(text, "}")
	if from < 0 || to < from {
		return text
	}
	return text[from : to+1]
}

// schema is the JSON Schema of a structured answer.
func schema() *python.Object {
	text := python.NewObject("type", "string")
	list := python.NewObject("type", "array", "items", text)
	return python.NewObject(
		"type", "object", "additionalProperties", false, "required", []any{"caption", "on_screen_text", "objects", "actions"},
		"properties", python.NewObject("caption", text, "on_screen_text", text, "objects", list, "actions", list),
	)
}

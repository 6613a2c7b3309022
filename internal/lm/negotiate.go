package lm

import (
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Models differ in the parameters that they support: some have a fixed temperature, use
// another name for max_tokens, or do not support a JSON schema. Servers report this with
// a refusal that costs nothing. The request is then sent again without the refused
// parameter, and so are all later requests to that model.

// without lists the parameters that requests to one model omit.
type without struct {
	temperature, seed, stop, template bool
	otherName                         bool // max_tokens is sent under its other name
	format                            int  // 1 = omit the schema and request a plain JSON object; 2 = omit the format
}

// refusals has the parameters that the models of an endpoint have refused so far.
type refusals struct {
	mu     sync.Mutex
	models map[string]without
}

func (r *refusals) of(model string) without {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.models[model]
}

// remember records the parameters that all requests to a model omit.
func (r *refusals) remember(model string, now without) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.models == nil {
		r.models = map[string]without{}
	}
	r.models[model] = r.models[model].and(now)
}

// and returns the union.
func (w without) and(o without) without {
	return without{
		w.temperature || o.temperature, w.seed || o.seed, w.stop || o.stop, w.template || o.template,
		w.otherName || o.otherName, max(w.format, o.format),
	}
}

// more returns the further parameters to omit after a refusal. A value that is out of range
// is not an unsupported parameter: to omit it would hide a mistake.
func (w without) more(sent request, err error) (without, bool) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Class != fault.Input || errors.Is(err, prompt.ErrTooLong) || errors.Is(err, answer.ErrFiltered) {
		return w, false
	}
	text := strings.ToLower(f.Reason)
	refused := answer.Says(text, unknown())
	before := w
	switch {
	case sent.Format != nil && answer.Says(text, formats()):
		w.format++
		if kind, _ := sent.Format.Get("type"); kind != "json_schema" {
			w.format = 2
		}
	case !w.otherName && sent.MaxTokens > 0 && strings.Contains(text, "max_completion_tokens"),
		!w.otherName && sent.MaxCompletionTokens > 0 && refused && strings.Contains(text, "max_completion_tokens"):
		w.otherName = true
	case sent.Temperature != nil && strings.Contains(text, "temperature") && (refused || answer.Says(text, onlyOne())):
		w.temperature = true
	case sent.Seed != nil && refused && seed.MatchString(text):
		w.seed = true
	case len(sent.Stop) > 0 && refused && stop.MatchString(text):
		w.stop = true
	case sent.Template != nil && refused && (strings.Contains(text, "chat_template_kwargs") || strings.Contains(text, "enable_thinking")):
		w.template = true
	}
	return w, w != before
}

var (
	seed = regexp.MustCompile(`\bseed\b`)
	stop = regexp.MustCompile(`\bstop\b`)
)

// unknown lists the phrases of servers for an unsupported parameter: OpenAI, Azure, vLLM
// (pydantic), Anthropic's compatible endpoint, Gemini's, Mistral, Groq.
func unknown() []string {
	return []string{
		"unsupported", "not supported", "does not support", "doesn't support", "unrecognized", "unknown", "unexpected", "not permitted", "not allowed",
		"extra_forbidden", "extra inputs", "deprecated", "cannot find field", "is not available", "not implemented",
	}
}

// onlyOne lists the phrases for a fixed temperature.
func onlyOne() []string {
	return []string{"only the default", "may only be set to 1", "must be 1", "only 1 is", "must be set to 1"}
}

// formats lists the phrases for an unsupported response format.
func formats() []string {
	return []string{"response_format", "json_schema", "json_object", "json schema", "json mode", "structured output", "guided_json", "$ref", "invalid schema", "response format"}
}

// ofTheSchema reports whether a server has refused this schema or these messages, not the
// response format in general. The next request may be valid, and of another tenant.
func ofTheSchema(err error) bool {
	return answer.Says(err.Error(), []string{"invalid schema", "$ref", "must contain the word", "additionalproperties", "schema for", "in context="})
}

// leaveOut removes the refused parameters from a request.
func (r *request) leaveOut(w without) {
	if w.temperature {
		r.Temperature = nil
	}
	if w.seed {
		r.Seed = nil
	}
	if w.stop {
		r.Stop = nil
	}
	if w.template {
		r.Template = nil
	}
	if w.otherName {
		r.MaxTokens, r.MaxCompletionTokens = r.MaxCompletionTokens, r.MaxTokens
	}
	switch {
	case r.Format == nil:
	case w.format >= 2:
		r.Format = nil
	case w.format == 1:
		r.Format = python.NewObject("type", "json_object")
	}
}

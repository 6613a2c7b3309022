package lm

import (
	"errors"
	"strings"

	"github.com/sashabaranov/go-openai"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
)

// read takes an answer as it is. Only one that holds nothing at all is a fault.
func (l *LM) read(c prompt.Completion, said openai.ChatCompletionResponse) (prompt.CompletionAnswer, error) {
	if len(said.Choices) != 1 {
		return prompt.CompletionAnswer{}, fault.New(fault.Transport, op, c.Model, "the answer has no choice, or several")
	}
	choice := said.Choices[0]
	out := prompt.CompletionAnswer{
		Text: content(choice.Message), Finish: string(choice.FinishReason), Model: said.Model,
		PromptTokens: said.Usage.PromptTokens, CompletionTokens: said.Usage.CompletionTokens,
	}
	if refusal := choice.Message.Refusal; refusal != "" {
		out.Finish, out.Reason = prompt.FinishRefusal, clip(refusal)
	}
	if out.PromptTokens < 0 || out.CompletionTokens < 0 {
		return prompt.CompletionAnswer{}, fault.New(fault.Transport, op, c.Model, "the answer counts less than no token")
	}
	if out.CompletionTokens == 0 && out.Finish != prompt.FinishFilter && out.Finish != prompt.FinishRefusal &&
		strings.TrimSpace(out.Text+choice.Message.ReasoningContent) == "" {
		f := fault.New(fault.Transport, op, c.Model, "")
		f.Err = prompt.ErrNoText
		return prompt.CompletionAnswer{}, f
	}
	if out.PromptTokens == 0 {
		out.Estimated = true
		out.PromptTokens = prompt.Tokens(c.Messages)
		out.CompletionTokens = len(out.Text) + len(choice.Message.ReasoningContent)
	}
	out.CostMicroUSD = l.options.Prices[c.Model].Cost(out.PromptTokens, out.CompletionTokens)
	return out, nil
}

// content joins the texts of a content that comes as a list.
func content(m openai.ChatCompletionMessage) string {
	if len(m.MultiContent) == 0 {
		return m.Content
	}
	var parts strings.Builder
	for _, p := range m.MultiContent {
		parts.WriteString(p.Text)
	}
	return parts.String()
}

// clip bounds what people are shown.
func clip(text string) string {
	const longest = 1000
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// explain classifies what servers say in words only.
func explain(model string, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return fault.Wrap(fault.Transport, op, model, err)
	}
	switch {
	case f.Class == fault.Input && says(f.Reason, tooLong()):
		out := *f
		out.Subject, out.Err = model, prompt.ErrTooLong
		return &out
	case f.Class == fault.Transport && strings.HasPrefix(f.Reason, "the server answers 200") && says(f.Reason, busy()):
		out := *f
		out.Class = fault.Overload
		return &out
	}
	return err
}

// filtered finds a refusal that comes as an error: the same words would be
// refused again, and the model would not have been asked.
func filtered(err error) (prompt.CompletionAnswer, bool) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Class != fault.Input || !says(f.Reason, filters()) {
		return prompt.CompletionAnswer{}, false
	}
	return prompt.CompletionAnswer{Finish: prompt.FinishFilter, Reason: f.Reason}, true
}

func says(text string, all []string) bool {
	text = strings.ToLower(text)
	for _, words := range all {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// tooLong lists how servers say that a prompt does not fit: OpenAI, vLLM, SGLang,
// llama.cpp, Anthropic.
func tooLong() []string {
	return []string{
		"context_length_exceeded", "maximum context length", "longer than the maximum model length", "too long to fit",
		"longer than the model's context length", "exceed_context_size", "available context size", "prompt is too long", "input is too long",
	}
}

// filters lists how OpenAI and Azure say that they refuse.
func filters() []string {
	return []string{"content_filter", "content_policy_violation", "content management policy", "responsibleaipolicyviolation"}
}

// busy lists how gateways say 429 with status 200.
func busy() []string {
	return []string{"rate limit", "rate_limit", "rate-limit", "too many requests", "overloaded"}
}

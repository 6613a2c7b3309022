package lm

import (
	"errors"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/safetext"
)

// read takes an answer as it is. Only one that holds nothing at all is a fault.
func (l *LM) read(c prompt.Completion, body []byte) (prompt.CompletionAnswer, error) {
	said, err := chat.Read(l.client.Redactor(), body)
	if err != nil {
		return prompt.CompletionAnswer{}, fault.New(fault.Transport, op, c.Model, err.Error())
	}
	out := prompt.CompletionAnswer{Text: said.Text, Finish: said.Finish, Model: said.Model}
	if said.Refusal != "" {
		out.Finish, out.Reason = prompt.FinishRefusal, l.client.Redactor().Lines(said.Refusal, safetext.MaxMessage)
	}
	counted := said.Usage.Output.Said && said.Usage.Output.Tokens > 0
	if !counted && said.Written == 0 && out.Finish != prompt.FinishFilter && out.Finish != prompt.FinishRefusal {
		none := &fault.Error{Class: fault.Transport, Op: op, Subject: c.Model, Err: prompt.ErrNoText}
		if price, settled := l.price(c.Model), c.Bounds().Settle(said.Usage, 0); price != nil && !settled.Estimated {
			return prompt.CompletionAnswer{}, money.Charge(none, price.Cost(settled.Input, settled.Output))
		}
		return prompt.CompletionAnswer{}, none
	}
	settled := c.Bounds().Settle(said.Usage, said.Written)
	out.PromptTokens, out.CompletionTokens, out.Estimated = settled.Input, settled.Output, settled.Estimated
	if price := l.price(c.Model); price != nil {
		out.CostMicroUSD = price.Cost(settled.Input, settled.Output)
	}
	return out, nil
}

// explain classifies what servers say in words only, and keeps what is charged.
func explain(model string, err error) error {
	if err == nil {
		return nil
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return fault.Wrap(fault.Transport, op, model, err)
	}
	if f.Class == fault.Input && says(f.Reason, tooLong()) {
		err = answer.Amend(err, func(f *fault.Error) { f.Subject, f.Err = model, prompt.ErrTooLong })
	}
	return answer.About(op, model, err)
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

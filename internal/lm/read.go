package lm

import (
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/safetext"
)

// read returns the answer unchanged. Only a response without any answer is a fault.
func (l *LM) read(c prompt.Completion, body []byte) (prompt.CompletionAnswer, error) {
	said, err := chat.Read(l.client.Redactor(), body)
	if err != nil {
		return prompt.CompletionAnswer{}, fault.New(fault.Transport, op, c.Model, err.Error())
	}
	out := prompt.CompletionAnswer{Text: said.Text, Finish: said.Finish, Model: said.Model}
	if said.Refusal != "" {
		out.Finish, out.Reason = prompt.FinishRefusal, l.client.Redactor().Lines(said.Refusal, safetext.MaxMessage)
	}
	if said.None() {
		none := &fault.Error{Class: fault.Transport, Op: op, Subject: c.Model, Err: prompt.ErrNoText}
		if price, settled := l.price(c.Model), bounds(c).Settle(said.Usage, 0); price != nil && !settled.Estimated {
			return prompt.CompletionAnswer{}, money.Charge(none, price.Cost(settled.Input, settled.Output))
		}
		return prompt.CompletionAnswer{}, none
	}
	settled := bounds(c).Settle(said.Usage, said.Written)
	out.PromptTokens, out.CompletionTokens, out.Estimated = settled.Input, settled.Output, settled.Estimated
	if price := l.price(c.Model); price != nil {
		out.CostMicroUSD = price.Cost(settled.Input, settled.Output)
	}
	return out, nil
}

// explain marks a too long prompt, and keeps the charge.
func explain(model string, err error) error {
	if err == nil {
		return nil
	}
	if fault.ClassOf(err) == "" {
		return fault.Wrap(fault.Transport, op, model, err)
	}
	if errors.Is(err, answer.ErrTooLong) {
		err = answer.Amend(err, func(f *fault.Error) { f.Subject, f.Err = model, prompt.ErrTooLong })
	}
	return answer.About(op, model, err)
}

// filtered returns a refusal of a content filter that is sent as an error as an answer: the
// same text would be refused again. Other errors are returned unchanged.
func (l *LM) filtered(c prompt.Completion, err error) (prompt.CompletionAnswer, error) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || !errors.Is(err, answer.ErrFiltered) {
		return prompt.CompletionAnswer{}, err
	}
	out := prompt.CompletionAnswer{Finish: prompt.FinishFilter, Reason: f.Reason}
	if reserved, priced := l.Reserve(c); priced {
		out.CostMicroUSD = money.ChargeOf(err, reserved)
	}
	return out, nil
}

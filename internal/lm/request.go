package lm

import (
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
)

// bounds limits the tokens of a completion by the schema that is sent.
func bounds(c prompt.Completion) money.Request {
	c.Format = chat.Strict(c.Format)
	return c.Bounds()
}

// request omits the rollout: like DSPy's rollout_id it only distinguishes equal requests,
// and servers do not support it. If equal rollouts should have equal samples, the
// completion has a seed.
func (l *LM) request(c prompt.Completion) chat.Request {
	r := chat.Request{Model: l.name(c.Model), Messages: c.Messages, Temperature: c.Temperature, Stop: c.Stop, Seed: c.Seed, Format: chat.Strict(c.Format)}
	if l.options.MaxCompletionTokens {
		r.MaxCompletionTokens = c.MaxTokens
	} else {
		r.MaxTokens = c.MaxTokens
	}
	if c.Thinking != nil {
		r.Template = map[string]any{"enable_thinking": *c.Thinking}
	}
	if l.options.Dialect == Anthropic {
		// It ignores the first two and caps temperatures above 1; this is explicit
		// here.
		r.Seed, r.Format = nil, nil
		if r.Temperature != nil {
			r.Temperature = new(min(*r.Temperature, 1))
		}
	}
	return r
}

// check refuses parameters that the endpoint would ignore.
func (l *LM) check(c prompt.Completion) error {
	if l.options.Dialect != Anthropic {
		return nil
	}
	switch {
	case c.MaxTokens == 0:
		return fault.New(fault.Input, op, c.Model, "Anthropic requires max_tokens; set it in the configuration")
	case c.Thinking != nil:
		return fault.New(fault.Input, op, c.Model, "Anthropic has no enable_thinking; leave it out of the configuration")
	}
	return nil
}

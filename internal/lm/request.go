package lm

import (
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
)

// request is the body of a request. The library's own type cannot encode a temperature of 0,
// which is the most common one, and would reorder a response format.
type request struct {
	Model               string           `json:"model"`
	Messages            []prompt.Message `json:"messages"`
	Temperature         *float64         `json:"temperature,omitempty"`
	MaxTokens           int              `json:"max_tokens,omitempty"`
	MaxCompletionTokens int              `json:"max_completion_tokens,omitempty"`
	Stop                []string         `json:"stop,omitempty"`
	Seed                *int64           `json:"seed,omitempty"`
	Format              *prompt.Object   `json:"response_format,omitempty"`
	Template            map[string]any   `json:"chat_template_kwargs,omitempty"`
}

// request omits the rollout: like DSPy's rollout_id it only distinguishes equal requests,
// and servers do not support it. If equal rollouts should have equal samples, the
// completion has a seed.
func (l *LM) request(c prompt.Completion) request {
	r := request{Model: l.name(c.Model), Messages: c.Messages, Temperature: c.Temperature, Stop: c.Stop, Seed: c.Seed, Format: c.Format}
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

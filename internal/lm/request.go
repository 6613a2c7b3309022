package lm

import (
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
)

// request is what is sent. The library's own type cannot say a temperature of 0,
// which is the one that counts most, and would reorder a response format.
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

// request leaves the rollout out: as DSPy's rollout_id it only tells apart what
// would be one question, and no server knows it. Where the same rollout should
// give the same draws, the completion has a seed.
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
		// It ignores the first two, and above 1 caps as well; that is said here
		// and not left to it.
		r.Seed, r.Format = nil, nil
		if r.Temperature != nil {
			r.Temperature = new(min(*r.Temperature, 1))
		}
	}
	return r
}

// check refuses what the endpoint would not heed.
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

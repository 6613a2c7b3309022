package params

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// TestPhrases: a parameter is omitted if a server says in any way that it does not support it, and
// not if only its value is wrong.
func TestPhrases(t *testing.T) {
	t.Parallel()
	const all = Temperature | Seed | Stop | Template | MaxTokens
	for text, want := range map[string]Set{
		"Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.": Temperature,
		"litellm.UnsupportedParamsError: gpt-5 models don't support temperature=0.1. Only temperature=1 is supported.":    Temperature,
		"`temperature` may only be set to 1 when thinking is enabled.":                                                    Temperature,
		"invalid temperature: only 1 is allowed for this model":                                                           Temperature,
		"invalid temperature: only 0.6 is allowed for this model":                                                         Temperature,
		"temperature must be 1 when extended thinking is on":                                                              Temperature,
		"temperature must be set to 1.0":                                                                                  Temperature,
		"`temperature` is deprecated for this model.":                                                                     Temperature,
		"`temperature` and `top_p` cannot both be specified for this model. Please use only one.":                         Temperature,
		"temperature cannot be used with reasoning models":                                                                Temperature,
		"Argument not supported on this model: stop":                                                                      Stop,
		"Malformed input request: #: extraneous key [seed] is not permitted, please reformat your input and try again.":   Seed,
		"openai does not support parameters: ['seed'], for model=x. To drop these, set `litellm.drop_params=True`":        Seed,
		"chat_template is not supported for Mistral tokenizers.":                                                          Template,
		"Unrecognized request argument supplied: max_tokens":                                                              MaxTokens,
		"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.":      MaxTokens,
		"Additional properties are not allowed ('seed' was unexpected)":                                                   Seed,

		"temperature: range: 0..1": 0, "temperature must be 1 or less": 0, "temperature must be 1.5 at most": 0, "Invalid 'temperature': must be less than or equal to 1": 0,
		"max_tokens is too large: 99999. This model supports at most 8192 completion tokens": 0, "max_tokens above 4096 is not supported; the maximum is 4096": 0,
		"seed must be an integer": 0, "Unsupported parameter: 'top_k'": 0, "unknown model": 0, "the prompt may not be empty": 0, "nonstop is not supported": 0,
	} {
		got, _ := refused(fault.New(fault.Input, "ask", "m", "status 400: \""+text+"\""), all, 0)
		require.Equal(t, want, got, text)
	}
}

package params

import (
	"regexp"
	"strings"

	"github.com/cogniverse/cogflow/internal/answer"
)

// parameter is one that a server can refuse.
type parameter struct {
	of      Set
	unless  Set                    // the other name, which is already refused; 0 = none
	refused func(text string) bool // whether a message refuses it
}

// table lists the parameters in the order in which a message is compared with them.
func table() []parameter {
	unsupported := func(s string) bool { return answer.Says(s, unknown()) }
	format := func(s string) bool { return answer.Says(s, formats()) }
	newName := func(s string) bool { return strings.Contains(s, "max_completion_tokens") }
	return []parameter{
		{JSONSchema, 0, format},
		{JSONObject, 0, format},
		{MaxTokens, MaxCompletionTokens, func(s string) bool {
			return newName(s) || maxTokens.MatchString(s) && unsupported(s) && !answer.Says(s, outOfRange())
		}},
		{MaxCompletionTokens, MaxTokens, func(s string) bool { return newName(s) && unsupported(s) }},
		{Temperature, 0, func(s string) bool {
			return strings.Contains(s, "temperature") && (unsupported(s) || fixed.MatchString(s))
		}},
		{Seed, 0, func(s string) bool { return seed.MatchString(s) && unsupported(s) }},
		{Stop, 0, func(s string) bool { return stop.MatchString(s) && unsupported(s) }},
		{Template, 0, func(s string) bool {
			return unsupported(s) && answer.Says(s, []string{"chat_template", "enable_thinking"})
		}},
		{Verbose, 0, func(s string) bool {
			return answer.Says(s, []string{"response_format", "verbose_json", "timestamp_granularities"}) && (unsupported(s) || answer.Says(s, otherFormat()))
		}},
		{Encoding, 0, func(s string) bool { return strings.Contains(s, "encoding_format") && unsupported(s) }},
	}
}

var (
	seed      = regexp.MustCompile(`\bseed\b`)
	stop      = regexp.MustCompile(`\bstop\b`)
	maxTokens = regexp.MustCompile(`\bmax_tokens\b`)

	// fixed matches messages about a temperature that has one value: OpenAI's default, 1 of
	// Anthropic's thinking, 0.6 and 1 of Moonshot. "must be 1 or less" is about a range.
	fixed = regexp.MustCompile(`only the default|may only be set to \d|only (temperature ?= ?)?[\d.]+ is (allowed|supported|valid)|must be (set to )?(exactly )?1(\.0)?([^\w.]*$|[;,.] | when | with | for )`)
)

// unknown lists the phrases of servers for an unsupported parameter: OpenAI, Azure, vLLM
// (pydantic), Anthropic's compatible endpoint, Gemini's, Mistral, Groq.
func unknown() []string {
	return []string{
		"unsupported", "not supported", "does not support", "doesn't support", "unrecognized", "unknown", "unexpected", "not permitted", "not allowed",
		"extra_forbidden", "extra inputs", "deprecated", "cannot find field", "is not available", "not implemented",
		"isn't supported", "don't support", "do not support", "no longer supported", "does not accept", "doesn't accept", "not recognized", "not a valid parameter",
		"cannot be used", "can't be used", "cannot be specified", "cannot both be specified", "not applicable", "extraneous key", "additional properties",
	}
}

// outOfRange lists the phrases for a value that a server does not accept.
func outOfRange() []string {
	return []string{"too large", "too small", "too high", "at most", "at least", "exceed", "maximum", "less than", "greater than", "between", "range"}
}

// formats lists the phrases for an unsupported response format.
func formats() []string {
	return []string{"response_format", "json_schema", "json_object", "json schema", "json mode", "structured output", "guided_json", "$ref", "invalid schema", "response format", "grammar"}
}

// otherFormat lists the phrases for a format that a transcription model does not write.
func otherFormat() []string { return []string{"not compatible", "use 'json'", "use json"} }

// ofTheRequest reports whether a server has refused this schema or these messages, not the
// response format in general. The next request may be valid, and of another tenant.
func ofTheRequest(err error) bool {
	return answer.Says(err.Error(), []string{"invalid schema", "$ref", "must contain the word", "additionalproperties", "schema for", "in context=", "grammar", "schema conversion"})
}

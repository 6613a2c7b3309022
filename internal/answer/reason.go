package answer

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// Causes of input faults that concern one request only: the server answers other requests.
var (
	// ErrTooLong marks a request that does not fit into the model's context.
	ErrTooLong = errors.New("the request does not fit into the model's context")
	// ErrFiltered marks a request that a content filter refuses.
	ErrFiltered = errors.New("a content filter refuses the request or its answer")
)

// The status often does not say why a server refuses a request: servers use 400, 403, 413, 422,
// 429 and 500 for a prompt that is too long, and 400, 403, 404, 412 and 429 for an empty account.
// The message does. Only the server's message is searched, never the request that it repeats.

// overflowOf and overflowIs match messages about a prompt that does not fit: its subject, and
// that it is too long.
var (
	overflowOf = regexp.MustCompile("(context|prompt|inputs?|sequence|messages?)[`'\"]*[ _-](total )?(length|window|size|limit|tokens?)")
	overflowIs = regexp.MustCompile(`exceed|longer than|too (long|large|many)|greater than|larger than|more than|overflow|must be (<|less)|must have less|only \d|at most|not fit|maximum (context|input|prompt) length|reduce the`)
)

// tooLong lists phrases that the two expressions do not match.
func tooLong() []string {
	return []string{
		"context_length_exceeded", "maximum context length", "longer than the maximum model length", "too long to fit", "exceed_context_size",
		"prompt is too long", "input is too long", "`inputs` must have less than", "prompt too long", "exceed context limit", "maximum prompt length",
		"maximum context limit",                      // Together
		"exceeds max length",                         // Z.ai
		"range of input length",                      // Alibaba
		"exceeded model token limit",                 // Moonshot
		"context the overflows", "context overflows", // LM Studio
		"should not exceed max_num_tokens", "exceed max_seq_len", // TensorRT-LLM
		"too many tokens: ", // Cohere
		"while limit is",    // Cerebras
		"string too long. expected a string with maximum length",                      // OpenAI
		"request too large for", "request body too large for", "tokens_limit_reached", // OpenAI, Groq, GitHub Models: above the limit of a minute
		"must be reduced in order to run",
	}
}

// isTooLong reports whether a message says that a request does not fit.
func isTooLong(text string) bool {
	text = strings.ToLower(text)
	if strings.Contains(text, "string_above_max_length") && !strings.Contains(text, "messages") {
		return false // of another parameter
	}
	if _, ok := OutputLimit(text); ok {
		return false // the answer, not the request
	}
	return Says(text, tooLong()) || overflowOf.MatchString(text) && overflowIs.MatchString(text)
}

// filters lists phrases for a request that a content filter refuses.
func filters() []string {
	return []string{
		"content_filter", "content filter", "content_policy", "content policy", "content management policy", "responsibleaipolicyviolation", // OpenAI, Azure, LiteLLM
		"content filtering policy",                                                               // Anthropic
		"invalid_prompt", "violating our usage policy", "our safety system", "the safety system", // OpenAI
		"was flagged", "requires moderation", "moderation_blocked", // OpenRouter
		"prohibited_content", "blocked by safety", "block_reason", "blockreason", "blocked due to safety", // Gemini
		"guardrail",                                                               // Bedrock, LiteLLM, OpenRouter
		"content exists risk",                                                     // DeepSeek
		"data_inspection_failed", "datainspectionfailed", "inappropriate content", // Alibaba
		"considered high risk",                                  // Moonshot
		"sensitivecontentdetected", "new_sensitive", "不安全或敏感内容", // Volcengine, MiniMax, Z.ai
		"usage guidelines", // xAI
	}
}

// noAccount lists phrases for an account for which no request is served.
func noAccount() []string {
	return []string{
		"insufficient_quota", "billing_hard_limit", "billing_not_active", "account is not active", // OpenAI
		"credit balance is too low", "organization has been disabled", // Anthropic
		"insufficient balance", "insufficient credit", "requires more credits", "credits are depleted", "余额不足", // DeepSeek, OpenRouter, Gemini, Z.ai
		"exceeded_current_quota_error", "arrearage", "accountoverdue", // Moonshot, Alibaba, Volcengine
		"budget has been exceeded", "budget_exceeded", "exceededbudget", // LiteLLM
		"user location is not supported", "unsupported_country", "region, or territory not supported", // Gemini, OpenAI
		"api key not valid", "api_key_invalid", "invalid api key", "incorrect api key", "invalid_api_key",
	}
}

// noModel lists how servers say that they do not have the model.
func noModel() []string {
	return []string{
		"model_not_found", "model not found", "model not exist", "model does not exist", "no such model", "unknown model", "invalid model name",
		"not a valid model", "model identifier is invalid", "invalid model:", "unable to access model", "deploymentnotfound",
		"server is pinned to", // transformers
	}
}

// busy lists how gateways report 429 with another status.
func busy() []string {
	return []string{"rate limit", "rate_limit", "rate-limit", "too many requests", "overloaded", "throttlingexception"}
}

// suspended matches Fireworks and Moonshot: "Account acme is suspended, possibly due to …".
var suspended = regexp.MustCompile(`account\b.{0,80}\bsuspended`)

// isAccount reports whether a message says that the account is not served. Gateways forward
// OpenAI's message without its code. Gemini uses the same message, with additions, for a limit
// per minute.
func isAccount(text string) bool {
	text = strings.ToLower(text)
	quota := strings.Contains(text, "exceeded your current quota, please check your plan and billing details")
	return Says(text, noAccount()) || suspended.MatchString(text) || quota && !Says(text, []string{"ai.google.dev", "metric", "retry in", "try again in"})
}

// unread lists messages about a model's answer that was lost on its way, with status 422 or 500:
// the provider may have billed that answer.
func unread() []string {
	return []string{
		"invalid response from llm endpoint", "invalid response object", "error in response object", "with no 'choices'", "'choices' that is not a list",
		"codec can't decode", "extra data: line", "expecting value: line", "exception - connection error", // LiteLLM
		"produced output that does not match the expected", // llama.cpp
	}
}

// noPictures lists how servers with status 500 say that the model takes no pictures.
func noPictures() []string {
	return []string{"image input is not supported"} // llama.cpp
}

// Says reports whether a message contains one of the phrases, in any case.
func Says(text string, all []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(all, func(words string) bool { return strings.Contains(text, words) })
}

// refused reports whether a message says that the request was not answered at all.
func refused(text string) bool {
	return isTooLong(text) || Says(text, filters()) || isAccount(text)
}

// explain corrects the class of a status by the message. A problem of the account or of the
// endpoint fails every request, whatever status the server uses for it.
func explain(f *fault.Error, code int, text string) {
	switch {
	case code == http.StatusUnauthorized:
	case Says(text, filters()):
		f.Class, f.Err = fault.Input, ErrFiltered
	case isAccount(text):
		f.Class = fault.Auth // waiting does not help
	case isTooLong(text) && (code != http.StatusTooManyRequests || tooLargeForever(text)):
		f.Class, f.Err = fault.Input, ErrTooLong
	case Says(text, noModel()) && code < 500:
		f.Class, f.Err = fault.Input, fault.ErrNotServed
	case code == http.StatusBadRequest && Says(text, []string{"throttlingexception"}): // AWS
		f.Class = fault.Overload
	case code == http.StatusUnprocessableEntity && Says(text, unread()):
		f.Class = fault.Transport
	case code == http.StatusInternalServerError && Says(text, noPictures()):
		f.Class = fault.Input
	case wrongPlace(code):
		f.Err = fault.ErrNotServed
	}
}

// tooLargeForever reports whether a rate limit is smaller than the request, which waiting does
// not change.
func tooLargeForever(text string) bool {
	return Says(text, []string{"request too large", "must be reduced in order to run"})
}

// wrongPlace reports whether a status means a wrong address or method, independent of the
// content of the request.
func wrongPlace(code int) bool {
	switch code {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone, http.StatusLengthRequired, http.StatusPreconditionFailed,
		http.StatusUnsupportedMediaType, http.StatusUpgradeRequired, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, 497:
		return true
	}
	return code >= 300 && code < 400
}

// abroad lists phrases for a country that is not served. Such a refusal is not caused by the key.
func abroad() []string {
	return []string{"location is not supported", "unsupported_country", "territory not supported", "region"}
}

package answer_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// refusal asks a server that refuses.
func refusal(t *testing.T, status int, body string, header ...string) error {
	t.Helper()
	at := serve(t, func(w http.ResponseWriter, _ *http.Request) { answertest.Status(status, body, header...)(w) })
	_, err := client(answer.Options{KeyVariable: "MY_KEY"}).Ask(t.Context(), answer.Call{URL: at, Body: []byte(`{}`)})
	require.Error(t, err, body)
	return err
}

func saying(text string) string { return `{"error":{"message":` + strconv.Quote(text) + `}}` }

// TestTooLongInAnyWording: a prompt that does not fit is an input fault of that request, with any
// status and message.
func TestTooLongInAnyWording(t *testing.T) {
	t.Parallel()
	for text, status := range map[string]int{
		"This model's maximum context length is 8192 tokens. However, your messages resulted in 8227 tokens.": 400,
		"Your input exceeds the context window of this model. Please adjust your input and try again.":        400,
		"Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens.": 400,
		"prompt is too long: 205000 tokens > 200000 maximum":                                                  400,
		"input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease input length":   400,
		"The input token count (1091639) exceeds the maximum number of tokens allowed (1048576).":             400,
		"`inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` tokens and 1024":            422,
		"Input validation error: `inputs` must have less than 4096 tokens. Given: 4545":                       422,
		"The decoder prompt (length 5000) is longer than the maximum model length of 4096.":                   400,
		"You passed 8193 input tokens. However, the model's context length is only 8192 tokens":               400,
		"The input (9000 tokens) is longer than the model's context length (8192 tokens).":                    400,
		"request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it":           400,
		"Context size has been exceeded.":                       500,
		"Requested tokens (2285) exceed context window of 2048": 500,
		"Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context length of only 32768 tokens":                     400,
		"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length":                                                       400,
		"Prompt length (5000) exceeds maximum input length (4096).":                                                                                                    400,
		"litellm.ContextWindowExceededError: litellm.BadRequestError: the prompt exceeds the context window":                                                           400,
		"Input is too long for requested model.":                                                                                                                       400,
		"too many tokens: total number of tokens in the prompt cannot exceed 4081":                                                                                     400,
		"This model's maximum prompt length is 131072 but the request contains 537812 tokens.":                                                                         400,
		"Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192":                                                           400,
		"5021: The estimated number of input and maximum output tokens (32000) exceeded this model context window limit (24000).":                                      413,
		"Range of input length should be [1, 30720]":                                                                                                                   400,
		"Your request exceeded model token limit: 8192":                                                                                                                400,
		"invalid params, context window exceeds limit":                                                                                                                 400,
		"Request body too large for gpt-4o model. Max size: 8000 tokens.":                                                                                              413,
		"Request too large for model `llama-3.1-8b-instant` on tokens per minute (TPM): Limit 6000, Requested 7211":                                                    413,
		"Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 30601. The input or output tokens must be reduced in order to run successfully.": 429,
	} {
		err := refusal(t, status, saying(text))
		require.ErrorIs(t, err, answer.ErrTooLong, text)
		require.Equal(t, fault.Input, fault.ClassOf(err), text)
		require.Zero(t, charged(err))
	}
	for text, status := range map[string]int{
		"max_tokens is too large: 99999. This model supports at most 8192 completion tokens":                                               400,
		"Input validation error: `max_new_tokens` must be <= 192. Given: 1024":                                                             422,
		"temperature must be less than or equal to 1":                                                                                      400,
		"Invalid 'user': string too long. Expected a string with maximum length 64 (string_above_max_length)":                              400,
		"This request would exceed your organization's rate limit of 50,000 input tokens per minute":                                       429,
		"Rate limit reached for gpt-4o-mini on tokens per min (TPM): Limit 200000, Used 195663, Requested 7592. Please try again in 976ms": 429,
	} {
		require.NotErrorIs(t, refusal(t, status, saying(text)), answer.ErrTooLong, text)
	}
}

// TestFilteredInAnyWording: a content filter is an input fault of that request, too.
func TestFilteredInAnyWording(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{
		saying("Output blocked by content filtering policy"):                                         400,
		saying("Invalid prompt: your prompt was flagged as potentially violating our usage policy."): 400,
		saying("Content Exists Risk"):                                                                400,
		saying("Input data may contain inappropriate content."):                                      400,
		saying("The request was rejected because it was considered high risk"):                       400,
		saying("系统检测到输入或生成内容可能包含不安全或敏感内容"):                                                           400,
		saying("invalid params, input new_sensitive"):                                                422,
		saying("Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_DATA_LEAKAGE"):    403,
		saying("litellm.ContentPolicyViolationError: AzureException - The response was filtered due to the prompt triggering Azure OpenAI's content management policy"): 500,
		`{"error":{"code":403,"message":"Your chosen model requires moderation and your input was flagged","metadata":{"reasons":["violence"]}}}`:                       403,
		`{"error":{"code":"InputTextSensitiveContentDetected","message":"The request failed."}}`:                                                                        400,
		`{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"Output blocked by content filtering policy\"}}"}}}`:      400,
	} {
		err := refusal(t, status, body)
		require.ErrorIs(t, err, answer.ErrFiltered, body)
		require.Equal(t, fault.Input, fault.ClassOf(err), body)
	}
}

// TestRefusalsOfEverything: a problem of the account, the country, the model or the address fails
// every request, and waiting does not help.
func TestRefusalsOfEverything(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{
		saying("Your credit balance is too low to access the Anthropic API."):                                                            400,
		saying("Insufficient Balance"):                                                                                                   402,
		saying("API key not valid. Please pass a valid API key."):                                                                        400,
		saying("User location is not supported for the API use."):                                                                        400,
		saying("Account acme is suspended, possibly due to reaching the monthly spending limit"):                                         412,
		saying("Budget has been exceeded! Current cost: 10.1, Max budget: 10"):                                                           400,
		saying("Access denied, please make sure your account is in good standing. (Arrearage)"):                                          400,
		saying("litellm.RateLimitError: OpenAIException - You exceeded your current quota, please check your plan and billing details."): 429,
		`{"error":{"code":"1113","message":"余额不足或无可用资源包,请充值。"}}`:                                                                         429,
		`{"error":{"message":"Your account is suspended, please check your plan","type":"exceeded_current_quota_error"}}`:                429,
	} {
		require.Equal(t, fault.Auth, fault.ClassOf(refusal(t, status, body)), body)
	}
	require.Equal(t, fault.Overload, fault.ClassOf(refusal(t, 429,
		saying("You exceeded your current quota, please check your plan and billing details. For more information, head to: https://ai.google.dev/gemini-api/docs/rate-limits."))),
		"Gemini's limit of a minute")
	require.ErrorContains(t, refusal(t, 403, `{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported"}}`), "territory not supported")
	require.ErrorContains(t, refusal(t, 400, saying("API key not valid. Please pass a valid API key.")), "check MY_KEY")
	for body, status := range map[string]int{
		saying("litellm.BadRequestError: Invalid model name passed in model=x"): 400,
		saying("x is not a valid model ID"):                                     400,
		saying("Model Not Exist"):                                               400,
		saying("The provided model identifier is invalid."):                     400,
		`{"error":"model \"x\" not found, try pulling it first"}`:               404,
		``:                   405,
		`<html>Moved</html>`: 308,
		`<html>400 The plain HTTP request was sent to HTTPS port</html>`: 497,
	} {
		err := refusal(t, status, body)
		require.ErrorIs(t, err, fault.ErrNotServed, body)
		require.Equal(t, fault.Input, fault.ClassOf(err), body)
	}
	err := refusal(t, 403, "<!DOCTYPE html><title>Attention Required! | Cloudflare</title>")
	require.Equal(t, fault.Input, fault.ClassOf(err), "a firewall refuses this text: %v", err)
}

// TestMessages: the reason is found in every known place, and the request that a server repeats is
// not mistaken for it.
func TestMessages(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`[{"error":{"code":400,"message":"Unknown name","status":"INVALID_ARGUMENT"}}]`:                                                     `"Unknown name"`,
		`{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":"prompt is too long"}]}`: `"body.seed: Extra inputs are not permitted"`,
		`{"error":"Bad Request","message":["seed must be an integer"],"statusCode":400}`:                                                    `"Bad Request: seed must be an integer"`,
		`{"success":false,"errors":[{"code":7003,"message":"Could not route"}],"messages":[]}`:                                              `"Could not route"`,
		`{"__type":"ValidationException","message":"Malformed input"}`:                                                                      `"ValidationException: Malformed input"`,
		`{"error":{"message":"Provider returned error","metadata":{"raw":{"error":{"message":"at most 1 image"}}}}}`:                        `"Provider returned error: at most 1 image"`,
		`{"error":{"message":"{\"error\":{\"message\":\"inner\"}}"}}`:                                                                       `"inner"`,
		`{"error":["one","two"]}`: `"one; two"`,
		`plain words`:             `"plain words"`,
		``:                        `(empty)`,
	} {
		err := refusal(t, 400, body)
		require.ErrorContains(t, err, "status 400: "+want[:len(want)-1], body)
		require.NotErrorIs(t, err, answer.ErrTooLong, body)
	}
}

// TestWaits: a server says how long to wait in a header or in the body.
func TestWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		header []string
		want   time.Duration
	}{
		"seconds":             {`{}`, []string{"Retry-After", "7"}, 7 * time.Second},
		"milliseconds":        {`{}`, []string{"retry-after-ms", "250", "Retry-After", "1"}, 250 * time.Millisecond},
		"Azure":               {`{}`, []string{"x-ms-retry-after-ms", "1500"}, 1500 * time.Millisecond},
		"a limit is used up":  {`{}`, []string{"x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "6m0s", "x-ratelimit-remaining-requests", "9", "x-ratelimit-reset-requests", "20h"}, 6 * time.Minute},
		"Gemini":              {`[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}]`, nil, 34500 * time.Millisecond},
		"OpenAI":              {saying("Rate limit reached. Please try again in 976ms. Visit"), nil, 976 * time.Millisecond},
		"Groq":                {saying("Please try again in 7m12.5s."), nil, 7*time.Minute + 12500*time.Millisecond},
		"Azure's words":       {saying("Please retry after 86400 seconds."), nil, 10 * time.Minute},
		"Hugging Face":        {`{"error":"Model x is currently loading","estimated_time":20.5}`, nil, 20500 * time.Millisecond},
		"nothing":             {`{"error":"busy"}`, []string{"x-ratelimit-remaining-tokens", "5", "x-ratelimit-reset-tokens", "1s"}, 0},
		"what is no duration": {saying("try again in . s"), []string{"retry-after-ms", "soon"}, 0},
	} {
		require.Equal(t, c.want, fault.RetryAfter(refusal(t, 429, c.body, c.header...)), name)
	}
}

// TestReasonInParam: a server that writes what is wrong into the name of the parameter is understood.
func TestReasonInParam(t *testing.T) {
	t.Parallel()
	err := refusal(t, http.StatusBadRequest, `{"error":{"message":"Param Incorrect","param":"max_tokens is too large: 1048576. This model supports at most 131072 completion tokens, whereas you provided 1048576.","code":"400"}}`)
	require.ErrorContains(t, err, "Param Incorrect: max_tokens is too large")
	err = refusal(t, http.StatusBadRequest, `{"error":{"message":"no","param":"seed","code":null}}`)
	require.NotContains(t, err.Error(), "seed")
}

// TestReasonOfTheProvider: the reason is found where gateways put it.
func TestReasonOfTheProvider(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"error":{"cause":"{\n \"error\": {\n \"message\": \"temperature does not support 0.1\",\n \"param\": \"temperature\"}}","code":400,"message":"模型服务调用失败"}}`:                                           "模型服务调用失败: temperature does not support 0.1",
		`{"error":{"code":"Invalid input","status":422,"message":"invalid input error","details":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":"my row"}]}}`: "invalid input error: body.seed: Extra inputs are not permitted",
		`{"error":{"code":"BadRequest","message":"Bad request","innererror":{"message":"stop is not supported"}}}`:                                                                                             "Bad request: stop is not supported",
		`{"error":{"upstream_error":{"error":{"message":"seed is not supported"}}}}`:                                                                                                                           `"seed is not supported"`,
		`{"error":{"message":"seed is not supported","details":"seed is not supported"}}`:                                                                                                                      `"seed is not supported"`,
		`{"error":{"message":"no","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"x"}]}],"cause":{"row":"y"},"innererror":null}}`:                                 `"no"`,
		`{"error":{"message":"no","details":7,"metadata":{"raw":["a","b"]}}}`:                                                                                                                                  `"no: a; b"`,
	} {
		err := refusal(t, http.StatusBadRequest, body)
		require.ErrorContains(t, err, want, body)
		require.NotContains(t, err.Error(), "my row")
	}
}

// TestOutputLimit: the maximum of max_tokens in a refusal is found, and is no limit of the prompt.
func TestOutputLimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"max_tokens is too large: 99999. This model supports at most 8192 completion tokens, whereas you provided 99999.":                                                              8192,
		"max_tokens: 99999 > 8192, which is the maximum allowed number of output tokens for claude":                                                                                    8192,
		"`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model":                                       8192,
		"Input validation error: `max_new_tokens` must be <= 192. Given: 400":                                                                                                          192,
		"Invalid max_tokens value, the valid range of max_tokens is [1, 8192]":                                                                                                         8192,
		"Range of max_tokens should be [1, 2000]":                                                                                                                                      2000,
		"max_tokens for `llama-3.1-8b-instant` must be less than or equal to 8000":                                                                                                     8000,
		"ValidationException: The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096.":                        4096,
		"The maximum tokens you requested exceed the model limit of 4096. Try again with a maximum tokens value lower than 4096.":                                                      4096,
		"Unable to submit request because it has a maxOutputTokens value of 65536 but the supported range is from 1 (inclusive) to 65536 (exclusive). Update the value and try again.": 65535,
		"Unable to submit request because it has a maxOutputTokens value of 9000 but the supported range is from 1 (inclusive) to 8192 (inclusive). Update the value and try again.":   8192,
		"max_tokens (current value: 4096) must be between 0 and 4000 ":                                                                                                                 4000,
		"Invalid 'max_tokens': integer above maximum value. Expected a value <= 8192, but got 9000 instead.":                                                                           8192,
		"Unable to submit request because it has a topK value of 65 but the supported range is from 1 (inclusive) to 41 (exclusive).":                                                  0,
		"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` tokens":                                                                      0,
		"max_tokens=99999 cannot be greater than max_model_len=max_total_tokens=512. Please request fewer output tokens.":                                                              0,
		"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (1000 in the messages, 8000 in the completion).":                                       0,
		"supports at most 99999999999999999999 completion tokens":                                                                                                                      0,
	} {
		got, ok := answer.OutputLimit(text)
		require.Equal(t, want > 0, ok, text)
		if ok {
			require.Equal(t, want, got, text)
			require.NotErrorIs(t, refusal(t, http.StatusBadRequest, saying(text)), answer.ErrTooLong)
		}
	}
}

package zootest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// busy lists rate limits and overloads, with all forms of Retry-After.
func busy() []Behaviour {
	limit := func(name, source string, status int, wait time.Duration, answer string, header ...string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Busy, Bill: Free, Wait: wait, Answer: body(status, answer, header...)}
	}
	return []Behaviour{
		limit("openai: a limit", "https://platform.openai.com/docs/guides/rate-limits", 429, 500*time.Millisecond, failure("Rate limit reached for requests"), "Retry-After", "0.5"),
		limit("openai: a limit in words", "coleam00/mcp-crawl4ai-rag#41", 429, 976*time.Millisecond,
			`{"error":{"message":"Rate limit reached for gpt-4o-mini on tokens per min (TPM): Limit 200000, Used 195663, Requested 7592. Please try again in 976ms.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`),
		limit("openai: a limit in headers", "https://platform.openai.com/docs/guides/rate-limits", 429, time.Second, failure("Rate limit reached"),
			"x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1s", "x-ratelimit-remaining-tokens", "149984", "x-ratelimit-reset-tokens", "6m0s"),
		limit("azure: a limit in milliseconds", "https://learn.microsoft.com/azure/ai-services/openai/how-to/quota", 429, 800*time.Millisecond, failure("Requests have exceeded call rate limit"), "retry-after-ms", "800", "Retry-After", "1"),
		limit("azure: a limit of a day", "vanderschaarlab/climb#1", 429, 10*time.Minute, failure("Requests have exceeded token rate limit of your pricing tier. Please retry after 86400 seconds.")),
		limit("gemini: a limit", "https://ai.google.dev/gemini-api/docs/rate-limits", 429, 34*time.Second,
			`[{"error":{"code":429,"message":"Quota exceeded for metric","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}]`),
		limit("openrouter: a limit of the provider", "open-webui/computer#293", 429, 0,
			`{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"z-ai/glm is temporarily rate-limited upstream.","provider_name":"BaseTen"}}}`),
		limit("openrouter: a limit with status 200", "openai/openai-agents-python#2850", 200, 0, `{"choices":null,"error":{"message":"Rate limit exceeded: free-models-per-min","code":429}}`),
		limit("anthropic: overloaded", "https://docs.anthropic.com/en/api/errors", 529, 0, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`),
		limit("llama.cpp: the model is being loaded", "https://github.com/ggml-org/llama.cpp/tree/master/tools/server", 503, 0, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`),
		limit("hugging face: the model is being loaded", "https://huggingface.co/docs/api-inference/en/detailed_parameters", 503, 20*time.Second, `{"error":"Model served is currently loading","estimated_time":20.0}`),
	}
}

// gateways lists failures that a gateway reports in place of a model.
func gateways() []Behaviour {
	gateway := func(name, source string, status int, bill Bill, answer string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Broken, Bill: bill, Answer: body(status, answer)}
	}
	const cloudflare = "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/"
	return []Behaviour{
		gateway("openai: a failure", "https://platform.openai.com/docs/guides/error-codes", 500, Free, failure("The server had an error while processing your request.")),
		gateway("openrouter: a failure with status 200", "https://openrouter.ai/docs/errors", 200, Free, `{"error":{"code":502,"message":"Provider returned error"},"user_id":"user_1"}`),
		gateway("an error that is a text, with status 200", "https://github.com/ollama/ollama/blob/main/docs/api.md", 200, Unknown, `{"error":"llama runner process has terminated"}`),
		gateway("litellm: an answer that it cannot read", "https://github.com/BerriAI/litellm/blob/main/litellm/litellm_core_utils/exception_mapping_utils.py", 500, Unknown,
			failure("litellm.InternalServerError: InternalServerError: OpenAIException - Invalid response object")),
		gateway("litellm: an answer without choices", "https://github.com/BerriAI/litellm/blob/main/litellm/litellm_core_utils/llm_response_utils/convert_dict_to_response.py", 422, Unknown,
			failure("litellm.UnprocessableEntityError: OpenAIException - Error in response object")),
		gateway("litellm: the connection breaks", "https://github.com/BerriAI/litellm/blob/main/litellm/litellm_core_utils/exception_mapping_utils.py", 500, Unknown,
			failure("litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.")),
		gateway("llama.cpp: an answer that it cannot read", "ggml-org/llama.cpp#27025", 500, Unknown,
			`{"error":{"code":500,"message":"The model produced output that does not match the expected peg-native format","type":"server_error"}}`),
		gateway("nginx: bad gateway", "https://nginx.org/en/docs/http/ngx_http_proxy_module.html", 502, Free, `<html><head><title>502 Bad Gateway</title></head></html>`),
		gateway("nginx: timeout", "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout", 504, Unknown, `<html><head><title>504 Gateway Time-out</title></head></html>`),
		gateway("cloudflare: the origin is down", cloudflare, 521, Free, `error code: 521`),
		gateway("cloudflare: timeout", cloudflare, 524, Unknown, `error code: 524`),
		gateway("a page with status 200", "https://www.rfc-editor.org/rfc/rfc6585#section-6", 200, Unknown, `<!doctype html><html><body>Please log in</body></html>`),
		gateway("an empty answer", "https://www.rfc-editor.org/rfc/rfc9110#section-15.3.1", 200, Unknown, ``),
		gateway("no content", "https://www.rfc-editor.org/rfc/rfc9110#section-15.3.5", 204, Unknown, ``),
		gateway("accepted", "https://docs.nvidia.com/nim/reference/status-polling", 202, Unknown, ``),
	}
}

// connections lists connections that break or never end.
func connections() []Behaviour {
	broken := func(name, source string, answer answertest.Answer) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Broken, Bill: Unknown, Answer: func(string) answertest.Answer { return answer }}
	}
	hang := broken("no answer", "https://platform.openai.com/docs/guides/error-codes", func(w http.ResponseWriter) { idle(w, "") })
	hang.Endless = true
	spaces := broken("blank lines without end", "https://api-docs.deepseek.com/quick_start/rate_limit", func(w http.ResponseWriter) {
		idle(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n\n\n\n")
	})
	spaces.Endless = true
	return []Behaviour{
		broken("the connection breaks", "https://www.rfc-editor.org/rfc/rfc9112#section-8", answertest.Reset),
		broken("the answer is cut", "https://www.rfc-editor.org/rfc/rfc9112#section-8", func(w http.ResponseWriter) {
			raw(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"choices\":[{\"me\r\n")
		}),
		hang, spaces,
	}
}

// raw writes to the connection and closes it.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
}

// idle writes to the connection and waits until the caller disconnects.
func idle(w http.ResponseWriter, text string) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
	_, _ = io.Copy(io.Discard, buffered)
}

// gzipped is a compressed answer without a Content-Encoding header.
func gzipped(answer string) func(text string) answertest.Answer {
	return func(text string) answertest.Answer {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = io.WriteString(z, filled(answer, text)) // to memory
		_ = z.Close()
		return answertest.Status(http.StatusOK, out.String(), "Content-Type", "application/json")
	}
}

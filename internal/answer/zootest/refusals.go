package zootest

import (
	"bytes"
	"encoding/json"
)

// overflows lists refusals of prompts that do not fit.
func overflows() []Behaviour {
	long := func(name, source string, status int, answer string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: TooLong, Bill: Free, Reason: "context", Answer: body(status, answer)}
	}
	return []Behaviour{
		long("openai: context", "crewAIInc/crewAI-examples#121", 400,
			`{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 8227 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`),
		long("azure: context", "BerriAI/litellm#15968", 400, failure("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens.")),
		long("anthropic: context", "continuedev/continue#6080", 400,
			"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000\"}}"),
		long("gemini: context", "google-gemini/gemini-cli#5807", 400,
			`[{"error":{"code":400,"message":"The input token count (1091639) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]`),
		long("vllm: context", "AIDotNet/OpenCowork#82", 400,
			`{"object":"error","message":"This model's maximum context length is 131072 tokens. However, you requested 128000 output tokens and your prompt contains at least 3073 input tokens","type":"BadRequestError","param":null,"code":400}`),
		long("tgi: context", "huggingface/chat-ui#340", 422,
			"{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` tokens and 1024 `max_new_tokens`\",\"error_type\":\"validation\"}"),
		long("llama.cpp: context, as a failure of the server", "ggml-org/llama.cpp#19774", 500, `{"error":{"code":500,"message":"Context size has been exceeded.","type":"server_error"}}`),
		long("llama.cpp: context, with status 200", "oobabooga/textgen#7257", 200,
			`{"error":{"code":400,"message":"the request exceeds the available context size. try increasing the context size or enable context shift","type":"exceed_context_size_error","n_prompt_tokens":14429,"n_ctx":8192}}`),
		long("lm studio: context", "lmstudio-ai/lmstudio-bug-tracker#546", 400,
			`{"error":"Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context length of only 32768 tokens"}`),
		long("llama.cpp: context", "arbs-io/github-copilot-llm-gateway#73", 400,
			`{"error":{"code":400,"message":"request (8708 tokens) exceeds the available context size (8192 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":8708,"n_ctx":8192}}`),
		long("vllm: context, in characters", "vllm-project/vllm#42474", 400,
			`{"error":{"message":"This model's maximum context length is 512 tokens. However, you requested 8 output tokens and your prompt contains 39050 characters (more than 6552 characters, which is the upper bound for 504 input tokens). Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_text, value=39050)","type":"BadRequestError","param":"input_text","code":400}}`),
		long("openai: more than the limit of a minute", "vanderschaarlab/climb#1", 429,
			`{"error":{"message":"Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 30601. The input or output tokens must be reduced in order to run successfully.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`),
		long("groq: more than the limit of a minute", "Alishahryar1/free-claude-code#1633", 413,
			`{"error":{"message":"Request too large for model on tokens per minute (TPM): Limit 6000, Requested 7211","type":"tokens","code":"rate_limit_exceeded"}}`),
	}
}

// filters lists refusals of content filters.
func filters() []Behaviour {
	filter := func(name, source string, status int, answer string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Filtered, Caption: Refused, Bill: Free, Finish: "content_filter", Answer: body(status, answer)}
	}
	return []Behaviour{
		filter("azure: filter", "openai/openai-python#331", 400,
			`{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI’s content management policy.","type":null,"param":"prompt","code":"content_filter","status":400}}`),
		filter("openai: filter", "https://github.com/BerriAI/litellm/blob/main/litellm/litellm_core_utils/exception_mapping_utils.py", 400, `{"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy.","type":"invalid_request_error","code":"invalid_prompt"}}`),
		filter("anthropic: filter", "anthropics/claude-code#6195", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"},"request_id":null}`),
		filter("deepseek: filter", "deepseek-ai/DeepSeek-V2#30", 400, `{"detail":"Content Exists Risk"}`),
		filter("alibaba: filter", "https://www.alibabacloud.com/help/en/model-studio/error-code", 400, `{"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content.","type":"data_inspection_failed"}}`),
		filter("openrouter: moderation", "https://openrouter.ai/docs/errors", 403, `{"error":{"code":403,"message":"Your chosen model requires moderation and your input was flagged","metadata":{"reasons":["violence"],"flagged_input":"…"}}}`),
		filter("litellm: filter of Azure", "BerriAI/litellm#16231", 400,
			`{"error":{"message":"litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":null,"code":"400"}}`),
	}
}

// refusals lists refusals of a request for other reasons.
func refusals() []Behaviour {
	refused := func(name, source string, status int, reason, answer string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Refused, Bill: Free, Reason: reason, Answer: body(status, answer)}
	}
	quoting := refused("pydantic: a message repeats a row that says what a refusal says", "https://docs.pydantic.dev/latest/errors/validation_errors/", 400, "1 validation error",
		failure("1 validation error: Input should be supported [type=value_error, input_value='Does json_schema need a temperature, a seed and stop? max_tokens: 9 > 8, which is the maximum allowed: unsupported', input_type=str]"))
	quoting.Refuses = func([]byte) bool { return true } // whatever parameters the message seems to refuse
	return []Behaviour{
		atMost("openai: max_tokens above the maximum of the model", "https://platform.openai.com/docs/guides/error-codes", 400,
			failure("max_tokens is too large: 99. This model supports at most 30 completion tokens, whereas you provided 99.")),
		atMost("anthropic: max_tokens above the maximum of the model", "https://docs.anthropic.com/en/api/errors", 400,
			`{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 99 > 30, which is the maximum allowed number of output tokens for served"}}`),
		atMost("groq: max_tokens above the maximum of the model", "https://console.groq.com/docs/errors", 400,
			failure("`max_tokens` must be less than or equal to `30`, the maximum value for `max_tokens` is less than the `context_window` for this model")),
		atMost("deepseek: max_tokens above the maximum of the model", "https://api-docs.deepseek.com/quick_start/error_codes", 400,
			failure("Invalid max_tokens value, the valid range of max_tokens is [1, 30]")),
		atMost("tgi: max_new_tokens above the maximum of the model", "huggingface/transformers#28523", 422,
			"{\"error\":\"Input validation error: `max_new_tokens` must be <= 30. Given: 400\",\"error_type\":\"validation\"}"),
		atMost("gemini: max_tokens above the maximum of the model", "BerriAI/litellm#10548", 400,
			failure("Unable to submit request because it has a maxOutputTokens value of 99 but the supported range is from 1 (inclusive) to 31 (exclusive). Update the value and try again.")),
		atMost("bedrock: max_tokens above the maximum of the model", "langgenius/dify#10390", 400,
			failure("The maximum tokens you requested exceeds the model limit of 30. Try again with a maximum tokens value that is lower than 30.")),
		atMost("xiaomi: max_tokens above the maximum of the model", "AQBot-Desktop/AQBot#93", 400,
			`{"error":{"message":"Param Incorrect","type":"upstream_error","param":"max_tokens is too large: 99. This model supports at most 30 completion tokens, whereas you provided 99.","code":"400"}}`),
		format("vllm: a schema that its grammar lacks", "https://docs.vllm.ai/en/latest/features/structured_outputs.html", `{"error":{"message":"Grammar error: Unimplemented keys: [\"uniqueItems\"]","type":"BadRequestError","param":null,"code":400}}`),
		format("llama.cpp: a schema that its grammar lacks", "ggml-org/llama.cpp#26930",
			`{"error":{"code":400,"message":"Unable to generate parser for this template. Automatic parser generation failed: JSON schema conversion failed:\nPattern must start with '^' and end with '$'","type":"invalid_request_error"}}`),
		refused("vllm: max_tokens is too large", "vllm-project/vllm#40324", 400, "max_model_len",
			`{"error":{"message":"max_tokens=99999 cannot be greater than max_model_len=max_total_tokens=512. Please request fewer output tokens. (parameter=max_tokens, value=99999)","type":"BadRequestError","param":"max_tokens","code":400}}`),
		refused("vllm: no pictures", "vllm-project/vllm#23402", 400, "not a multimodal model", `{"error":{"message":"served is not a multimodal model","type":"BadRequestError","param":null,"code":400}}`),
		refused("llama.cpp: no pictures, as a failure of the server", "https://github.com/ggml-org/llama.cpp/tree/master/tools/server", 500, "image input is not supported",
			`{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}`),
		refused("openrouter: what the provider says", "diegosouzapw/OmniRoute#3044", 400, "at most 1 image",
			`{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Model supports at most 1 image per prompt.\"}}","provider_name":"Crucible"}}}`),
		refused("openai: max_tokens is too large", "https://platform.openai.com/docs/guides/error-codes", 400, "max_tokens is too large",
			failure("max_tokens is too large: 99999. This model supports at most 8192 completion tokens, whereas you provided 99999.")),
		refused("tgi: max_new_tokens is too large", "huggingface/transformers#28523", 422, "must be",
			"{\"error\":\"Input validation error: `max_new_tokens` must be <= 192. Given: 400\",\"error_type\":\"validation\"}"),
		refused("fastapi: a list of details", "https://fastapi.tiangolo.com/tutorial/handling-errors/", 422, "body.messages.0.content: Input should be a valid string",
			`{"detail":[{"type":"string_type","loc":["body","messages",0,"content"],"msg":"Input should be a valid string","input":["prompt is too long"]}]}`),
		quoting,
		refused("cloudflare: a firewall refuses the text", "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/4xx-client-error/", 403, "Attention Required",
			`<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>`),
		refused("nginx: the request is too large", "https://nginx.org/en/docs/http/ngx_http_core_module.html#client_max_body_size", 413, "413",
			`<html><head><title>413 Request Entity Too Large</title></head></html>`),
	}
}

// parameters lists refusals of one parameter.
func parameters() []Behaviour {
	without := func(name, source, parameter string, status int, answer string) Behaviour {
		return Behaviour{
			Name: name, Source: source, Outcome: Answered, Bill: Free, Finish: "stop",
			Refuses: func(request []byte) bool { return bytes.Contains(request, []byte(`"`+parameter+`"`)) },
			Answer:  body(status, answer),
		}
	}
	return []Behaviour{
		without("openai: only one temperature", "https://platform.openai.com/docs/guides/reasoning", "temperature", 400,
			`{"error":{"message":"Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`),
		without("transformers: fields that it does not know", "https://huggingface.co/docs/transformers/serving", "seed", 422, `{"detail":"Unexpected fields in the request: {'seed'}"}`),
		without("a gateway: only one temperature, as a cause", "nashsu/llm_wiki#670", "temperature", 400,
			`{"error":{"cause":"{\n \"error\": {\n \"message\": \"Unsupported value: 'temperature' does not support 0.1 with this model. Only the default (1) value is supported.\",\n \"code\": \"unsupported_value\"\n }\n}","code":400,"message":"模型服务调用失败","status":"FAILED_RESPONSE"},"requestId":"xxx","result":null}`),
		without("azure: extra inputs, in details", "dzhng/deep-research#83", "seed", 422,
			`{"error":{"code":"Invalid input","status":422,"message":"invalid input error","details":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":1}]}}`),
		without("litellm: a temperature beside its own top_p", "cuga-project/cuga-agent#463", "temperature", 400,
			failure("litellm.BadRequestError: BedrockException - {\"message\":\"`temperature` and `top_p` cannot both be specified for this model. Please use only one.\"}")),
	}
}

// atMost is a refusal of a max_tokens above 30.
func atMost(name, source string, status int, answer string) Behaviour {
	return Behaviour{
		Name: name, Source: source, Outcome: Answered, Bill: Free, Finish: "stop",
		Refuses: func(request []byte) bool {
			var r struct {
				MaxTokens int `json:"max_tokens"`
			}
			return json.Unmarshal(request, &r) == nil && r.MaxTokens > 30
		},
		Answer: body(status, answer),
	}
}

// format is a refusal of a response format.
func format(name, source, answer string) Behaviour {
	return Behaviour{
		Name: name, Source: source, Outcome: Answered, Bill: Free, Finish: "stop",
		Refuses: func(request []byte) bool { return bytes.Contains(request, []byte(`"response_format"`)) },
		Answer:  body(400, answer),
	}
}

// accounts lists refusals of every request of an account or for a model.
func accounts() []Behaviour {
	denied := func(name, source string, status int, reason, answer string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Denied, Bill: Free, Reason: reason, Answer: body(status, answer)}
	}
	unserved := func(name, source string, status int, answer string, header ...string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: NotServed, Bill: Free, Reason: "check the URL and the model", Answer: body(status, answer, header...)}
	}
	return []Behaviour{
		denied("anthropic: no credit", "anthropics/claude-code#66314", 400, "credit balance",
			`{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}`),
		denied("deepseek: no balance", "https://api-docs.deepseek.com/quick_start/error_codes", 402, "Insufficient Balance", failure("Insufficient Balance")),
		denied("fireworks: the account is suspended", "https://docs.fireworks.ai/guides/inference-error-codes", 412, "suspended",
			failure("Account acme is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices")),
		denied("openai: no quota", "https://platform.openai.com/docs/guides/error-codes", 429, "insufficient_quota",
			`{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`),
		denied("litellm: no quota, without its code", "https://docs.litellm.ai/docs/exception_mapping", 429, "current quota",
			failure("litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your current quota, please check your plan and billing details.")),
		denied("openai: the key", "https://platform.openai.com/docs/guides/error-codes", 401, "the key is refused", failure("Incorrect API key provided: sk-12345.")),
		denied("gemini: the key, with status 400", "https://ai.google.dev/gemini-api/docs/troubleshooting", 400, "the key is refused",
			`[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]`),
		denied("openai: the country", "crmne/ruby_llm#431", 403, "territory not supported",
			`{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}`),
		denied("gemini: the country", "https://ai.google.dev/gemini-api/docs/troubleshooting", 400, "location is not supported",
			`[{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}]`),
		unserved("ollama: no such model", "https://github.com/ollama/ollama/blob/main/docs/api.md", 404, `{"error":"model \"served\" not found, try pulling it first"}`),
		unserved("litellm: no such model", "https://docs.litellm.ai/docs/exception_mapping", 400, failure("litellm.BadRequestError: Invalid model name passed in model=served. Call `/v1/models` to view available models for your key.")),
		unserved("transformers: another model", "https://huggingface.co/docs/transformers/serving", 400, `{"detail":"Server is pinned to '/models/other'; requested 'served'."}`),
		unserved("fastapi: no such route", "https://fastapi.tiangolo.com/tutorial/handling-errors/", 404, `{"detail":"Not Found"}`),
		unserved("the address has moved", "https://www.rfc-editor.org/rfc/rfc9110#section-15.4.9", 308, ``, "Location", "/v2"),
		unserved("nginx: HTTP to the port of HTTPS", "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#errors", 497, `<html>400 The plain HTTP request was sent to HTTPS port</html>`),
	}
}

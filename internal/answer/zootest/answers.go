package zootest

import "github.com/cogniverse/cogflow/prompt/outcome"

const finishStop = `"finish_reason":"stop"`

// answers lists complete answers with their cost.
func answers() []Behaviour {
	good := func(name, source, answer string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Answered, Bill: Exact, Finish: "stop", Answer: ok(answer)}
	}
	finish := func(name, source, sent, read string) Behaviour {
		b := good(name, source, completion(`"finish_reason":`+sent, usage))
		if b.Finish = read; read == outcome.FinishLength {
			b.Caption, b.NoCaption = Refused, outcome.Truncated
		}
		return b
	}
	return []Behaviour{
		good("openai", "https://platform.openai.com/docs/api-reference/chat/object", completion(finishStop, usage)),
		good("sambanova: created is a fraction", "QuantumNous/new-api#1131",
			`{"created":1748694614.850598,"id":7,"choices":[{"message":{"content":"TEXT"},"finish_reason":"stop"}],`+usage+`}`),
		good("created is a date, the model is null", "sashabaranov/go-openai#1002",
			`{"id":"","created":"2025/05/16 16:29:57","model":null,"system_fingerprint":null,"choices":[{"finish_reason":"stop","index":0,"message":{"role":"assistant","content":"TEXT","tool_calls":null,"function_call":null}}],`+usage+`,"service_tier":null,"code":0,"error_message":""}`),
		good("mistral: content is a list with thoughts", "vercel/ai#8072",
			message(`{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]},{"type":"text","text":"TEXT"}]}`, finishStop, usage)),
		good("vllm: thoughts beside the content", "https://docs.vllm.ai/en/v0.9.1/features/reasoning_outputs.html",
			message(`{"role":"assistant","reasoning_content":"Hm.","content":"TEXT","tool_calls":[]}`, finishStop, usage)),
		good("deepseek: thoughts in the content", "vllm-project/vllm#13375",
			message(`{"role":"assistant","content":"<think>Hm.</think>\n\nTEXT"}`, finishStop, usage)),
		finish("together: finish_reason is eos", "openai/openai-dotnet#267", `"eos"`, "stop"),
		finish("tgi: finish_reason is eos_token", "huggingface/text-generation-inference#2344", `"eos_token"`, "stop"),
		finish("openrouter: finish_reason is end_turn", "vercel/modelfusion#343", `"end_turn"`, "stop"),
		finish("gemini: finish_reason is STOP", "https://ai.google.dev/api/generate-content#FinishReason", `"STOP"`, "stop"),
		finish("gemini: finish_reason is MAX_TOKENS", "https://ai.google.dev/api/generate-content#FinishReason", `"MAX_TOKENS"`, "length"),
		finish("openai: finish_reason is length", "https://platform.openai.com/docs/api-reference/chat/object", `"length"`, "length"),
		finish("mistral: finish_reason is model_length", "https://docs.mistral.ai/api/#operation-createChatCompletion", `"model_length"`, "length"),
		finish("ollama: finish_reason is length", "ollama/ollama#5312", `"length"`, "length"),
		finish("sglang: finish_reason is empty", "dstackai/dstack#2229", `""`, ""),
		good("deepseek: blank lines before the answer", "https://api-docs.deepseek.com/quick_start/rate_limit", "\n\n\n\n"+completion(finishStop, usage)),
		good("a byte order mark before the answer", "https://www.rfc-editor.org/rfc/rfc8259#section-8.1", "\ufeff"+completion(finishStop, usage)),
		good("alibaba: the answer is in an envelope", "https://www.alibabacloud.com/help/en/model-studio/qwen-api-reference",
			`{"request_id":"1","output":{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"TEXT"}}]},"usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}}`),
		good("anthropic: its own protocol", "https://docs.anthropic.com/en/api/messages",
			`{"id":"msg_1","type":"message","role":"assistant","model":"served","content":[{"type":"text","text":"TEXT"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":4}}`),
		good("gemini: its own protocol", "https://ai.google.dev/api/generate-content",
			`{"candidates":[{"content":{"parts":[{"text":"TEXT"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1,"thoughtsTokenCount":3,"totalTokenCount":13},"modelVersion":"served"}`),
		good("two choices", "https://platform.openai.com/docs/api-reference/chat/create",
			`{"model":"served","choices":[{"index":0,"message":{"content":"TEXT"},"finish_reason":"stop"},{"index":1,"message":{"content":"Another."},"finish_reason":"length"}],`+usage+`}`),
		{
			Name: "cdn: gzip, not said", Source: "Han-1413141/dsh-cost-meter#172", Outcome: Answered, Bill: Exact, Finish: "stop",
			Answer: gzipped(completion(finishStop, usage)),
		},
	}
}

// usages lists complete answers with a missing or wrong usage.
func usages() []Behaviour {
	odd := func(name, source, usage string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Answered, Bill: Estimated, Finish: "stop", Answer: ok(completion(finishStop, usage))}
	}
	nested := odd("groq: usage in x_groq", "https://console.groq.com/docs/api-reference#chat-create", `"usage":null,"x_groq":{`+usage+`}`)
	nested.Bill = Exact
	thoughts := odd("gemini: thoughts are only in the total", "router-for-me/CLIProxyAPI#5733", `"usage":{"completion_tokens":0,"total_tokens":13,"prompt_tokens":9}`)
	thoughts.Bill = Exact
	more := odd("baseten: more thoughts than output", "vercel/ai#18614", `"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":13,"completion_tokens_details":{"reasoning_tokens":4}}`)
	more.Bill = Exact
	return []Behaviour{
		odd("foundry local: usage is null", "microsoft/foundry-local#173", `"usage":null`),
		odd("usage is missing", "gittensor-ai-lab/sparkinfer#481", `"system_fingerprint":null`),
		odd("usage is an empty object", "sashabaranov/go-openai#1002", `"usage":{}`),
		odd("usage is zero", "sawfwair/mere-run#134", `"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`),
		odd("openai: usage is negative", "64bit/async-openai#404", `"usage":{"prompt_tokens":9,"completion_tokens":-35,"total_tokens":-26}`),
		odd("portkey: usage without the prompt", "Portkey-AI/gateway#858", `"usage":{"completion_tokens":4}`),
		odd("usage is absurd", "https://www.rfc-editor.org/rfc/rfc8259#section-6", `"usage":{"prompt_tokens":9e18,"completion_tokens":"9e18"}`),
		nested, thoughts, more,
	}
}

// empties lists answers without text.
func empties() []Behaviour {
	empty := func(name, source, finish, read, content string, reason outcome.Reason) Behaviour {
		return Behaviour{
			Name: name, Source: source, Outcome: Empty, Caption: Refused, NoCaption: reason, Bill: Exact, Finish: read,
			Answer: ok(message(content, `"finish_reason":`+finish, usage)),
		}
	}
	filtered := func(name, source, finish string) Behaviour {
		b := empty(name, source, finish, "content_filter", `{"role":"assistant","content":null}`, "")
		b.Outcome = Filtered
		return b
	}
	refusal := empty("openai: the model refuses", "https://platform.openai.com/docs/guides/structured-outputs#refusals", `"stop"`, "refusal",
		`{"role":"assistant","content":null,"refusal":"I'm sorry, I can't help with that."}`, outcome.Refusal)
	refusal.Reason = "can't help"
	silent := Behaviour{
		Name: "azure: a filtered prompt has no choices", Source: "https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter", Outcome: Filtered, Caption: Refused,
		Bill: Exact, NoText: true, Finish: "content_filter",
		Answer: ok(`{"id":"","object":"","created":0,"model":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"violence":{"filtered":true,"severity":"high"}}}],"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}}`),
	}
	unread := silent
	unread.Name, unread.Source = "gemini: a blocked prompt has no candidates", "https://ai.google.dev/api/generate-content#PromptFeedback"
	unread.Answer = ok(`{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"served"}`)
	return []Behaviour{
		empty("sglang: the whole answer is among the thoughts", "sgl-project/sglang#37645", `"stop"`, "stop", `{"role":"assistant","content":"","reasoning_content":"TEXT"}`, outcome.Empty),
		empty("vllm: cut off among the thoughts", "vllm-project/vllm#41902", `"length"`, "length", `{"role":"assistant","content":null,"reasoning":"Hm"}`, outcome.Truncated),
		empty("a tool call that nobody asked for", "Budibase/budibase#18053", `"tool_calls"`, "tool_calls",
			`{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"search","arguments":"{}"}}]}`, outcome.Other),
		filtered("gemini: finish_reason is SAFETY", "HKUDS/Vibe-Trading#308", `"SAFETY"`),
		filtered("gemini: finish_reason is RECITATION", "epam/ai-dial-adapter-vertexai#85", `"RECITATION"`),
		filtered("azure: finish_reason is content_filter", "https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter", `"content_filter"`),
		refusal, silent, unread,
		{
			Name: "bedrock: choices are null", Source: "NVIDIA/garak#1760", Outcome: Broken, Bill: Unknown,
			Answer: ok(`{"id":null,"object":"chat.completion","choices":null,"usage":null}`),
		},
		{
			Name: "lm studio: a long prompt has an empty answer", Source: "lmstudio-ai/lmstudio-bug-tracker#2339", Outcome: Broken, Bill: Unknown,
			Answer: ok(message(`{"role":"assistant","content":""}`, finishStop, `"usage":null`)),
		},
	}
}

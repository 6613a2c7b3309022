package zootest

import "github.com/cogniverse/cogflow/internal/answer/answertest"

// streams lists complete streams, which were not requested.
func streams() []Behaviour {
	good := func(name, source string, answer func(text string) answertest.Answer) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Answered, Bill: Exact, Finish: "stop", Answer: answer}
	}
	uncounted := good("a stream without usage", "BerriAI/litellm#17136", events(sse(head, tail, stop, done)))
	uncounted.Bill = Estimated
	return []Behaviour{
		good("a stream that nobody asked for", "decolua/9router#3492", events(sse(head, tail, stop, last, done))),
		good("a stream called JSON", "vllm-project/vllm-ascend#6985", ok(sse(head, tail, stop, last, done), "Content-Type", "application/json")),
		good("an answer with the end of a stream", "decolua/9router#3492", events(completion(finishStop, usage)+"\n\ndata: [DONE]\n\n")),
		good("openrouter: comments", "https://openrouter.ai/docs/api-reference/streaming",
			events(": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"+sse(head, tail, stop, last, done))),
		good("comments before an answer", "https://api-docs.deepseek.com/quick_start/rate_limit", ok(": keep-alive\n\n: keep-alive\n\n"+completion(finishStop, usage))),
		good("vertex: comments as events", "anomalyco/opencode#50871", events(sse(": keepalive", head, ": keepalive", tail, stop, last, done))),
		good("copilot: empty events", "caozhiyuan/copilot-api#88", events(sse(`""`, head, "", tail, stop, last, done))),
		good("a stream without its mark of the end", "https://platform.openai.com/docs/api-reference/chat-streaming", events(sse(head, tail, stop, last))),
		good("groq: usage of a stream in x_groq", "https://console.groq.com/docs/api-reference#chat-create",
			events(sse(head, tail, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req_1",`+usage+`}}`, done))),
		good("moonshot: usage of a stream in its choice", "northes/go-moonshot#17",
			events(sse(head, tail, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop",`+usage+`}]}`, done))),
		good("ollama: lines of JSON", "https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion", ok(
			`{"model":"served","created_at":"2023-08-04T08:52:19Z","message":{"role":"assistant","content":"HEAD"},"done":false}`+"\n"+
				`{"model":"served","message":{"role":"assistant","content":"TAIL"},"done":false}`+"\n"+
				`{"model":"served","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":4}`+"\n",
			"Content-Type", "application/x-ndjson")),
		good("ollama: its own protocol", "https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion", ok(
			`{"model":"served","message":{"role":"assistant","content":"TEXT"},"done":true,"done_reason":"stop","total_duration":1,"prompt_eval_count":9,"eval_count":4}`)),
		uncounted,
	}
}

// brokenStreams lists streams that break off.
func brokenStreams() []Behaviour {
	broken := func(name, source string, bill Bill, reason, stream string) Behaviour {
		return Behaviour{Name: name, Source: source, Outcome: Broken, Bill: bill, Reason: reason, Answer: events(stream)}
	}
	return []Behaviour{
		broken("a stream that breaks off", "https://platform.openai.com/docs/api-reference/chat-streaming", Unknown, "breaks off", sse(head)+`data: {"choices":[{"del`),
		broken("an empty stream", "earendil-works/pi#2537", Unknown, "", ""),
		broken("keepalive within a part", "james-6-23/codex2api#696", Unknown, "breaks off", sse(head)+`data: {"choices":[{"fals`+": keepalive\n\ne}]}\n\n"+sse(done)),
		broken("openrouter: an error in a stream", "https://openrouter.ai/docs/api-reference/streaming", Exact, "Provider disconnected",
			sse(head, `{"id":"1","error":{"code":"server_error","message":"Provider disconnected unexpectedly"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],`+usage+`}`)),
		broken("vllm: an error in a stream", "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html", Unknown, "EngineCore",
			sse(head, `{"error":{"message":"EngineCore encountered an issue","type":"InternalServerError","param":null,"code":null}}`, done)),
		broken("tgi: an error in a stream", "https://huggingface.co/docs/text-generation-inference/reference/api_reference", Unknown, "Server error",
			sse(head, `{"error":"Request failed during generation: Server error: CUDA","error_type":"generation"}`)),
		broken("an event called error", "zeta-chain/docs#728", Unknown, "Upstream error", sse(head)+"event: error\ndata: {\"message\":\"Upstream error\"}\n\n"),
		{
			Name: "openrouter: finish_reason is error", Source: "gethouston/houston#1211", Outcome: Broken, Bill: Exact, Reason: "finish_reason",
			Answer: ok(completion(`"finish_reason":"error"`, usage)),
		},
		{
			Name: "deepseek: no resources to go on", Source: "https://api-docs.deepseek.com/api/create-chat-completion", Outcome: Broken, Bill: Exact, Reason: "insufficient_system_resource",
			Answer: ok(completion(`"finish_reason":"insufficient_system_resource"`, usage)),
		},
	}
}

package chat_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
)

// sse is a stream of events.
func sse(data ...string) string { return "data: " + strings.Join(data, "\n\ndata: ") + "\n\n" }

const (
	an     = `{"object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"An "},"finish_reason":null}],"usage":null}`
	answer = `{"choices":[{"index":0,"delta":{"content":"answer."},"finish_reason":null}]}`
	stop   = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	tokens = `"usage":{"prompt_tokens":7,"completion_tokens":2}`
	usage  = `{"choices":[],` + tokens + `}`
)

// TestAssemble: a complete stream of any form is an answer.
func TestAssemble(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"events":                   sse(an, answer, stop, usage, "[DONE]"),
		"without [DONE]":           sse(an, answer, stop, usage),
		"single newlines":          "data: " + strings.Join([]string{an, answer, stop, usage, "[DONE]"}, "\ndata: "),
		"CRLF, no space, names":    strings.ReplaceAll(strings.ReplaceAll("id: 1\nevent: message\n"+sse(an, answer, stop, usage, "[DONE]"), "data: ", "data:"), "\n", "\r\n"),
		"comments":                 ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" + sse(an, answer, stop, usage, "[DONE]"),
		"comments as events":       sse(": keepalive", an, "", answer, stop, `""`, usage, "[DONE]"),
		"one event":                sse(`{"model":"m","choices":[{"message":{"content":"An answer."},"finish_reason":"stop"}],`+tokens+`}`, "[DONE]"),
		"cumulative message too":   sse(an, strings.Replace(answer, `"finish_reason":null`, `"message":{"content":"An answer."}`, 1), stop, usage),
		"usage with the end":       sse(an, answer, strings.TrimSuffix(stop, "}")+","+tokens+"}", "[DONE]"),
		"usage of Moonshot":        sse(an, answer, `{"choices":[{"delta":{},"finish_reason":"stop",`+tokens+`}]}`, "[DONE]"),
		"usage of Groq":            sse(an, answer, `{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{`+tokens+`}}`, "[DONE]"),
		"usage of every part":      sse(strings.Replace(an, `"usage":null`, `"usage":{"prompt_tokens":7,"completion_tokens":1}`, 1), answer, stop, usage, "[DONE]"),
		"odd types":                sse(strings.Replace(an, `"index":0`, `"index":"0"`, 1), answer, stop, usage, "7", "[DONE]"),
		"legacy":                   sse(`{"model":"m","choices":[{"text":"An "}]}`, `{"choices":[{"text":"answer.","finish_reason":"stop"}]}`, usage, "[DONE]"),
		"pretty":                   "data: " + strings.ReplaceAll(an, ",", ",\ndata: ") + "\n\n" + sse(answer, stop, usage, "[DONE]"),
		"lines of JSON":            strings.Join([]string{an, answer, stop, usage}, "\n") + "\n",
		"Ollama":                   `{"model":"m","message":{"role":"assistant","content":"An "},"done":false}` + "\n" + `{"model":"m","message":{"content":"answer."},"done":false}` + "\n" + `{"model":"m","message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":2}`,
		"Ollama at once":           `{"model":"m","message":{"role":"assistant","content":"An answer."},"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":2}`,
		"an answer after comments": ": OPENROUTER PROCESSING\n\n" + `{"model":"m","choices":[{"message":{"content":"An answer."},"finish_reason":"stop"}],` + tokens + `}`,
		"an end behind it":         `{"model":"m","choices":[{"message":{"content":"An answer."},"finish_reason":"stop"}],` + tokens + "}\ndata: [DONE]\n\n",
		"a list of one":            `[{"model":"m","choices":[{"message":{"content":"An answer."},"finish_reason":"stop"}],` + tokens + `}]`,
		"an envelope":              `{"code":0,"msg":"success","data":{"model":"m","choices":[{"message":{"content":"An answer."},"finish_reason":"stop"}],` + tokens + `}}`,
		"DashScope":                `{"output":{"choices":[{"message":{"content":"An answer."},"finish_reason":"stop"}]},"model":"m","usage":{"input_tokens":7,"output_tokens":2}}`,
	} {
		whole, ok := chat.Assemble([]byte(body))
		require.True(t, ok, name)
		said, err := chat.Read(nil, whole)
		require.NoError(t, err, name)
		require.Equal(t, chat.Answer{
			Text: "An answer.", Finish: "stop", Model: "m", Written: len("An answer."),
			Usage: money.Usage{Input: money.Count{Tokens: 7, Said: true}, Output: money.Count{Tokens: 2, Said: true}},
		}, said, name)
	}
	said := read(t, sse(`{"choices":[{"delta":{"reasoning_content":"Hm"}}]}`, `{"choices":[{"delta":{"reasoning_content":"m."}}]}`, `{"choices":[{"delta":{"content":"x","tool_calls":[{"index":0}]},"finish_reason":"tool_calls"}]}`, "[DONE]"))
	require.Equal(t, "x", said.Text)
	require.Greater(t, said.Written, len("Hmm.x"), "thoughts and tool calls are counted")
	said = read(t, sse(an, "[DONE]"))
	require.Equal(t, "An ", said.Text, "the server says that it is the end")
	require.Empty(t, said.Finish)
}

func read(t *testing.T, body string) chat.Answer {
	t.Helper()
	whole, ok := chat.Assemble([]byte(body))
	require.True(t, ok, body)
	said, err := chat.Read(nil, whole)
	require.NoError(t, err, body)
	return said
}

// TestBrokenStreams: a stream that breaks off is not an answer. Its usage counts only if the text
// has ended.
func TestBrokenStreams(t *testing.T) {
	t.Parallel()
	bill := chat.Bill(&money.Price{Input: 1, Output: 10}, money.Request{Input: 40, MaxInput: 100, MaxOutput: 50})
	partial := strings.Replace(an, `"usage":null`, tokens, 1)
	for name, c := range map[string]struct {
		body  string
		whole bool
		micro int64 // 0 = not known
	}{
		"before its end":            {sse(an, answer), false, 0},
		"in a part":                 {sse(an, answer)[:len(sse(an, answer))-30], false, 0},
		"a part says its usage":     {sse(partial, answer), false, 0},
		"in its usage":              {sse(an, answer, stop, usage[:20]), true, 0},
		"after its usage":           {sse(an, answer, stop, usage), true, 27},
		"a part cannot be read":     {sse(an, "ping", answer, "[DONE]"), false, 0},
		"nothing":                   {sse("[DONE]"), false, 0},
		"comments":                  {": ping\n\n: ping\n\n", false, 0},
		"an error":                  {sse(an, `{"error":{"message":"CUDA error"}}`), true, 0},
		"an error with usage":       {sse(an, `{"error":{"message":"CUDA error"},`+tokens+`}`), true, 27},
		"an error of vLLM":          {sse(an, `{"object":"error","message":"CUDA error","code":500}`), true, 0},
		"an error as an event":      {sse(an) + "event: error\ndata: {\"message\":\"CUDA error\"}\n\n", true, 0},
		"an error between events":   {sse(an) + `{"error":{"message":"CUDA error"}}`, true, 0},
		"an error of a choice":      {sse(an, `{"choices":[{"delta":{},"finish_reason":"error","error":{"message":"CUDA error"}}]}`), true, 0},
		"an error of Ollama":        {`{"message":{"content":"An "},"done":false}` + "\n" + `{"error":"CUDA error"}`, true, 0},
		"a document":                {`{` + tokens + `,"choices":[`, false, 27},
		"a page":                    {"<html>\n<body>data: x</body></html>", false, 0},
		"an Ollama that breaks off": {`{"message":{"content":"An "},"done":false}` + "\n" + `{"message":{"con`, false, 0},
		"nothing at all":            {"", false, 0},
	} {
		whole, ok := chat.Assemble([]byte(c.body))
		require.Equal(t, c.whole, ok, name)
		micro, known := bill([]byte(c.body))
		require.Equal(t, c.micro > 0, known, name)
		require.Equal(t, c.micro, micro, name)
		if strings.HasPrefix(name, "an error") {
			require.Contains(t, string(whole), `"error":`, name)
			require.Contains(t, string(whole), `CUDA error`, name)
		}
	}
}

// TestFinishes: the finish reasons of all servers are translated to OpenAI's.
func TestFinishes(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"stop": "stop", "eos": "stop", "eos_token": "stop", "end_turn": "stop", "STOP": "stop", "stop_sequence": "stop",
		"length": "length", "MAX_TOKENS": "length", "max_tokens": "length", "model_length": "length",
		"content_filter": "content_filter", "SAFETY": "content_filter", "content_filter: PROHIBITED_CONTENT": "content_filter", "guardrail_intervened": "content_filter",
		"refusal": "refusal", "tool_calls": "tool_calls", "load": "load", "": "",
	} {
		require.Equal(t, want, read(t, `{"choices":[{"message":{"content":"x"},"finish_reason":"`+reason+`"}]}`).Finish, reason)
	}
	for _, reason := range []string{"error", "abort", "insufficient_system_resource", "MALFORMED_FUNCTION_CALL"} {
		_, err := chat.Read(nil, []byte(`{"choices":[{"message":{"content":"x"},"finish_reason":"`+reason+`"}]}`))
		require.ErrorContains(t, err, reason)
	}
	said := read(t, `{"choices":[],"prompt_filter_results":[{"content_filter_results":{"hate":{"filtered":false},"violence":{"filtered":true}}}],`+tokens+`}`)
	require.Equal(t, "content_filter", said.Finish)
	require.Equal(t, 7, said.Usage.Input.Tokens)
	require.Equal(t, "x", read(t, `{"choices":[{"text":"x","finish_reason":"stop"}]}`).Text)
}

// TestKeyInEvents: a key that is split over events is removed from the answer.
func TestKeyInEvents(t *testing.T) {
	t.Parallel()
	const key = "sk-live-0123456789abcdefghijklmnopqrstuvwxyzABCD"
	r := safetext.NewRedactor([]string{key}, nil)
	body := sse(`{"choices":[{"delta":{"content":"you sent `+key[:20]+`"}}]}`, `{"choices":[{"delta":{"content":"`+key[20:]+`"},"finish_reason":"stop"}]}`)
	whole, ok := chat.Assemble(r.Answer([]byte(body)))
	require.True(t, ok)
	said, err := chat.Read(r, whole)
	require.NoError(t, err)
	require.Equal(t, "you sent [key]", said.Text)
}

// FuzzAssemble: any body is an answer or is not.
func FuzzAssemble(f *testing.F) {
	f.Add([]byte(sse(an, answer, stop, usage, "[DONE]")))
	f.Add([]byte(": x\n\ndata: [1,{}]\ndata: {\"choices\":[{}]}\n\n"))
	f.Add([]byte(`{"done":true,"message":[]}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		if whole, ok := chat.Assemble(body); ok {
			_, _ = chat.Read(nil, whole)
		}
		_, _ = chat.Bill(&money.Price{Input: 1}, money.Request{MaxInput: 9, MaxOutput: 9})(body)
	})
}

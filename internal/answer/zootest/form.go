package zootest

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// In bodies, the text replaces TEXT, or its two parts replace HEAD and TAIL.

const usage = `"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}`

// completion is an answer of OpenAI's protocol with this finish_reason and additional members.
func completion(finish, beside string) string {
	return message(`{"role":"assistant","content":"TEXT"}`, finish, beside)
}

// message is a completion with this message.
func message(message, finish, beside string) string {
	return `{"id":"chatcmpl-1","object":"chat.completion","created":1716313435,"model":"served","choices":[{"index":0,"message":` + message + `,` + finish + `}],` + beside + `}`
}

// sse is a stream of events.
func sse(events ...string) string { return "data: " + strings.Join(events, "\n\ndata: ") + "\n\n" }

const (
	head = `{"id":"1","object":"chat.completion.chunk","model":"served","choices":[{"index":0,"delta":{"role":"assistant","content":"HEAD"},"finish_reason":null}]}`
	tail = `{"id":"1","object":"chat.completion.chunk","model":"served","choices":[{"index":0,"delta":{"content":"TAIL"},"finish_reason":null}]}`
	stop = `{"id":"1","object":"chat.completion.chunk","model":"served","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	last = `{"id":"1","object":"chat.completion.chunk","model":"served","choices":[],` + usage + `}`
	done = "[DONE]"
)

// failure is an error in OpenAI's form.
func failure(text string) string {
	quoted, _ := json.Marshal(text) // a string can always be encoded
	return `{"error":{"message":` + string(quoted) + `,"type":"invalid_request_error","param":null,"code":null}}`
}

// body answers with a status and a body, and headers as name and value.
func body(status int, body string, header ...string) func(text string) answertest.Answer {
	return func(text string) answertest.Answer { return answertest.Status(status, filled(body, text), header...) }
}

func ok(text string, header ...string) func(text string) answertest.Answer {
	return body(http.StatusOK, text, header...)
}

// events answers with a stream.
func events(text string) func(text string) answertest.Answer {
	return ok(text, "Content-Type", "text/event-stream")
}

// filled puts a text into a body.
func filled(body, text string) string {
	half := len(text) / 2
	for half < len(text) && text[half]&0xc0 == 0x80 { // not within a character
		half++
	}
	return strings.NewReplacer("TEXT", quoted(text), "HEAD", quoted(text[:half]), "TAIL", quoted(text[half:])).Replace(body)
}

// quoted escapes a text for a JSON string, without the quotes.
func quoted(text string) string {
	data, _ := json.Marshal(text) // a string can always be encoded
	return string(data[1 : len(data)-1])
}

package lmtest

import (
	"io"
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// Answer is a scripted response to a call.
type Answer = answertest.Answer

// Fault is a failure and its error class.
type Fault struct {
	Name   string
	Answer Answer
	Class  fault.Class
}

// Faults lists failures. None of them is an answer of the model.
func Faults() []Fault {
	status := func(code int, body string, header ...string) Answer { return answertest.Status(code, body, header...) }
	chat := func(inner string) Answer {
		return status(http.StatusOK, `{"id":"1","object":"chat.completion","created":1,"model":"test/lm",`+inner+`}`)
	}
	return []Fault{
		{"429", TooMany, fault.Overload},
		{"503", status(http.StatusServiceUnavailable, `{"error":{"message":"overloaded"}}`), fault.Overload},
		{"529", status(529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`), fault.Overload},
		{"200 with a 429 in it", status(http.StatusOK, `{"error":{"message":"Rate limit exceeded: free-models-per-min","code":429}}`), fault.Overload},
		{"500", status(http.StatusInternalServerError, `{"error":{"message":"The server had an error"}}`), fault.Transport},
		{"502", status(http.StatusBadGateway, `<html>Bad Gateway</html>`), fault.Transport},
		{"200 with an error", status(http.StatusOK, `{"error":{"message":"CUDA error: device-side assert triggered"}}`), fault.Transport},
		{"200 of vLLM's errors", status(http.StatusOK, `{"object":"error","message":"EngineDeadError","code":500}`), fault.Transport},
		{"200 with a page", status(http.StatusOK, `<html><body>Please log in</body></html>`), fault.Transport},
		{"reset", answertest.Reset, fault.Transport},
		{"cut", status(http.StatusOK, `{"choices":[{"message":{"content":"An ans`), fault.Transport},
		{"no choice", chat(`"choices":[]`), fault.Transport},
		{"choices of another kind", chat(`"choices":"none"`), fault.Transport},
		{"nothing", chat(`"choices":[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0}`), fault.Transport},
		{"400", status(http.StatusBadRequest, `{"error":{"message":"Invalid 'x'"}}`), fault.Input},
		{"401", status(http.StatusUnauthorized, `{"error":{"message":"Incorrect API key provided: sk-topsecret"}}`), fault.Auth},
		{"no money", status(http.StatusTooManyRequests, `{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}`), fault.Auth},
	}
}

// TooMany responds with 429 and a Retry-After of one second.
func TooMany(w http.ResponseWriter) {
	answertest.Status(http.StatusTooManyRequests, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`,
		"Retry-After", "1", "Content-Type", "application/json")(w)
}

// Broken responds with an internal error.
func Broken(w http.ResponseWriter) {
	answertest.Status(http.StatusInternalServerError, `{"error":{"message":"The server had an error"}}`)(w)
}

// Hang never responds. It ends when the client disconnects.
func Hang(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	drain(conn)
}

// Drip sends single bytes forever.
func Drip(w http.ResponseWriter) {
	for {
		if _, err := io.WriteString(w, " "); err != nil {
			return
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

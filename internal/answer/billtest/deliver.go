package billtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// reply is an answer that is flushed to the caller before it returns.
func reply(code int, body string, header ...string) answertest.Answer {
	write := answertest.Status(code, body, append(header, "Content-Length", strconv.Itoa(len(body)))...)
	return func(w http.ResponseWriter) {
		write(w)
		_ = http.NewResponseController(w).Flush() // fails if the caller disconnected
	}
}

// deliver sends an answer, changed by a fault.
func deliver(w http.ResponseWriter, f Fault, answered *httptest.ResponseRecorder, usage any) {
	body := answered.Body.Bytes()
	if answered.Code != http.StatusOK {
		f = None
	}
	answer := reply(answered.Code, string(body), "Content-Type", "application/json")
	switch f {
	case TooMany:
		answer = reply(http.StatusTooManyRequests, `{"error":{"message":"Rate limit reached"}}`, "Retry-After", "0.2")
	case Busy:
		answer = reply(http.StatusServiceUnavailable, `busy`, "Retry-After", "0.2")
	case Broken:
		answer = reply(http.StatusInternalServerError, `{"error":{"message":"The server had an error"}}`)
	case BadGateway:
		answer = reply(http.StatusBadGateway, `<html>Bad Gateway</html>`)
	case TimedOut:
		answer = reply(http.StatusGatewayTimeout, `<html>Gateway Time-out</html>`)
	case OddTypes, OtherShape, Absurd, NoUsage:
		answer = reply(http.StatusOK, changed(body, f, usage))
	case Page:
		answer = reply(http.StatusOK, `<html><body>Please log in</body></html>`)
	case Stream:
		answer = reply(http.StatusOK, "data: "+string(body)+"\n\ndata: [DONE]\n\n", "Content-Type", "text/event-stream")
	case Inside:
		answer = reply(http.StatusOK, `{"error":{"message":"CUDA error: device-side assert triggered"}}`)
	case Cut:
		cut(w, body)
		return
	case HangUp, Slow:
		panic(http.ErrAbortHandler)
	case None:
	}
	answer(w)
}

// changed changes the types of fields of an answer, of those that are used and of others.
func changed(body []byte, f Fault, usage any) string {
	var v map[string]any
	if json.Unmarshal(body, &v) != nil {
		return string(body)
	}
	switch f {
	case OddTypes:
		v["created"], v["id"], v["object"], v["service_tier"], v["duration"] = 1716313435.7, 7, []any{}, map[string]any{}, "6"
	case OtherShape:
		v["choices"], v["data"], v["segments"], v["text"] = "none", 7, "none", []any{}
	case Absurd:
		v["usage"] = usage
	default:
		delete(v, "usage")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return string(body)
	}
	return string(text)
}

// cut sends the first half of an answer. The usage comes last, so it is never complete.
func cut(w http.ResponseWriter, body []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
	_, _ = conn.Write(body[:len(body)/2])
}

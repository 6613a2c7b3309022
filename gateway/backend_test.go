package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const usage = `{"prompt_tokens":10,"completion_tokens":4}`

const answered = `{"id":"1","choices":[{"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":` + usage + `}`

func events(all ...string) string {
	var out strings.Builder
	for _, e := range all {
		out.WriteString("data: " + e + "\n\n")
	}
	return out.String()
}

func delta(text string) string {
	return `{"choices":[{"delta":{"content":"` + text + `"},"finish_reason":null}]}`
}

const (
	last     = `{"choices":[{"delta":{},"finish_reason":"stop"}]}`
	tokens   = `{"choices":[],"usage":` + usage + `}`
	streamed = "text/event-stream"
)

// backend is a model server whose answers a test sets.
type backend struct {
	*httptest.Server
	calls atomic.Int64
	mu    sync.Mutex
	body  []byte // of the last request
	head  http.Header
}

func serves(t *testing.T, answer http.HandlerFunc) *backend {
	t.Helper()
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.body, b.head = body, r.Header.Clone()
		b.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *backend) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.body)
}

func text(status int, media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// endpoint is an entry of cogflow.endpoints.
func endpoint(b *backend, name, more string) string {
	return `"` + name + `":{"kind":"openai","url":"` + b.URL + `/v1","models":["m"],"input_usd_per_mtok":1,"output_usd_per_mtok":2` + more + `}`
}

// here is a gateway whose requests do not give up, however slow the machine is.
const here = `"gateway":{"address":"127.0.0.1:0","queue_seconds":120}`

// within makes the requests of a gateway wait so many seconds for a server.
func within(seconds int, section string) string {
	return strings.Replace(section, `"queue_seconds":120`, `"queue_seconds":`+strconv.Itoa(seconds), 1)
}

// hereWith is here with more in its section.
func hereWith(more string) string {
	return strings.Replace(here, `"queue_seconds"`, more+`,"queue_seconds"`, 1)
}

func of(endpoints ...string) string {
	return here + `,"endpoints":{` + strings.Join(endpoints, ",") + `}`
}

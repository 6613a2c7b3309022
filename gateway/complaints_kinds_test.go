package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
)

// choice is an event of one of several choices of a stream.
func choice(index, text, finish string) string {
	return `{"choices":[{"index":` + index + `,"delta":{"content":"` + text + `"},"finish_reason":` + finish + `}]}`
}

// TestComplaint31Parts: a stream is whole only if each of its choices is, whatever the last bytes are.
func TestComplaint31Parts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sent, path string }{
		"one of two choices ends":    {events(choice("0", "a", "null"), choice("1", "b", "null"), choice("0", "", `"stop"`)), "two"},
		"the other of two ends":      {events(choice("1", "b", "null"), choice("0", "a", "null"), choice("1", "", `"length"`)), "two"},
		"an empty reason":            {events(choice("0", "a", `""`)), "/v1/chat/completions"},
		"no reason, and usage":       {events(delta("a"), tokens), "/v1/chat/completions"},
		"completions, one of two":    {events(`{"choices":[{"index":0,"text":"a","finish_reason":null},{"index":1,"text":"b","finish_reason":null}]}`, `{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}`), "/v1/completions"},
		"completions, empty reason":  {events(`{"choices":[{"index":0,"text":"a","finish_reason":""}]}`), "/v1/completions"},
		"an error after the end":     {events(delta("a"), last, `{"error":{"message":"lost"}}`), "/v1/chat/completions"},
		"an error instead of a mark": {events(delta("a")) + "event: error\ndata: lost\n\n", "/v1/chat/completions"},
		"half a mark":                {events(delta("a")) + "data: [DO", "/v1/chat/completions"},
		"the second never begins":    {events(choice("0", "a", "null"), choice("0", "", `"stop"`)), "two"},
		"a mark in a text":           {events(choice("0", "[DONE]", "null")), "/v1/chat/completions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serves(t, text(200, streamed, c.sent))
			g := startGateway(t, of(endpoint(b, "a", "")))
			body := askStream
			if c.path == "two" {
				c.path, body = "/v1/chat/completions", strings.Replace(askStream, `"stream"`, `"n":2,"stream"`, 1)
			}
			if c.path == "/v1/completions" {
				body = `{"model":"m","prompt":"hi","stream":true,"max_tokens":100}`
			}
			status, _, answer, err := g.post(t, c.path, body)
			require.NoError(t, err)
			require.Equal(t, 200, status, answer)
			require.NotContains(t, answer, "data: [DONE]")
			parts := strings.Split(strings.TrimSpace(answer), "\n\n")
			require.Equal(t, "stream_cut", code(t, strings.TrimPrefix(parts[len(parts)-1], "data: ")), answer)
		})
	}
}

// hangs is a server that takes requests and answers none until the test ends.
func hangs(t *testing.T) *backend {
	t.Helper()
	release := make(chan struct{})
	b := serves(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	return b
}

// occupied holds a slot of a hung server, until the test ends.
func (g *gateway) occupied(t *testing.T, hung *backend, n int64) {
	t.Helper()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	for range n {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url(t, "main")+"/v1/chat/completions", strings.NewReader(ask))
			if err != nil {
				return
			}
			r.Header.Set("Content-Type", "application/json")
			if got, err := http.DefaultClient.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, got.Body) // until the test ends
				_ = got.Body.Close()
			}
		})
	}
	require.Eventually(t, func() bool { return hung.calls.Load() >= n }, time.Minute, time.Millisecond)
}

// renamed makes an endpoint serve another model.
func renamed(e, model string) string { return strings.Replace(e, `["m"]`, `["`+model+`"]`, 1) }

// TestComplaint38Full: a fallback is asked when the model's own server is full and stays so, and when it
// takes a request and never answers.
func TestComplaint38Full(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{
		"full":          `,"max_in_flight":1`,
		"never answers": `,"timeout":"2s"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hung, local := hangs(t), serves(t, text(200, "application/json", answered))
			section := within(12, hereWith(`"fallbacks":{"m":["local"]}`)) // a half for each server
			g := startGateway(t, section+`,"endpoints":{`+endpoint(hung, "a", more)+`,`+renamed(endpoint(local, "b", ""), "local")+`}`)
			if name == "full" {
				g.occupied(t, hung, 1)
			}
			unanswered := int64(0)
			for _, body := range []string{ask, askStream} {
				status, _, answer, again := g.insist(t, "/v1/chat/completions", "application/json", body, unasked)
				require.Equal(t, 200, status, answer)
				unanswered += again
			}
			require.GreaterOrEqual(t, local.calls.Load(), int64(2))
			require.LessOrEqual(t, local.calls.Load(), 2+unanswered)
		})
	}
}

// TestComplaint36Full: a request that no server can take at once is not tied to the one that hangs.
func TestComplaint36Full(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}, 1), make(chan struct{})
	hung, slow := hangs(t), serves(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case entered <- struct{}{}:
		default: // that one has come was told
		}
		<-release
		text(200, "application/json", answered)(w, r)
	})
	g := startGateway(t, within(12, of(endpoint(hung, "a", `,"max_in_flight":1`), endpoint(slow, "b", `,"max_in_flight":1`))))
	g.occupied(t, hung, 1)
	answers := make(chan int, 2)
	request := func() {
		status := 0
		defer func() { answers <- status }() // also if the test fails here
		status, _, _, _ = g.insist(t, "/v1/chat/completions", "application/json", ask, unasked)
	}
	go request()
	<-entered
	go request() // both servers are full
	close(release)
	require.Equal(t, http.StatusOK, <-answers)
	require.Equal(t, http.StatusOK, <-answers)
}

// TestComplaint36Streams: streams that stall hold neither other servers of their model nor other requests of
// their connection, in HTTP/2.
func TestComplaint36Streams(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	stalls := serves(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", streamed)
		_, _ = io.WriteString(w, events(delta("a")))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	well := serves(t, text(200, streamed, events(delta("a"), last, "[DONE]")))
	g := startGateway(t, of(endpoint(stalls, "a", `,"max_in_flight":2`), renamed(endpoint(well, "b", ""), "other")))
	client := overHTTP2(t)
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url(t, "main")+"/v1/chat/completions", strings.NewReader(askStream))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		got, err := client.Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = got.Body.Close() })
		require.Equal(t, 2, got.ProtoMajor)
		_, err = io.ReadFull(got.Body, make([]byte, len(events(delta("a")))))
		require.NoError(t, err)
	}
	for range 10 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url(t, "main")+"/v1/chat/completions", strings.NewReader(strings.Replace(askStream, `"m"`, `"other"`, 1)))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		got, err := client.Do(r)
		require.NoError(t, err)
		data, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		require.Equal(t, events(delta("a"), last, "[DONE]"), string(data))
	}
}

// overHTTP2 is a client that has one connection, of HTTP/2.
func overHTTP2(t *testing.T) *http.Client {
	t.Helper()
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestComplaint31Protocols: a server that dies within an event is an error in each protocol, and the other
// streams of the connection go on.
func TestComplaint31Protocols(t *testing.T) {
	t.Parallel()
	dies := serves(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"+events(delta("a"))+`data: {"choices":[{"delta":{"con`)
		_ = c.Close() // without a length, this is a regular end of the body
	})
	well := serves(t, text(200, streamed, events(delta("a"), last, "[DONE]")))
	g := startGateway(t, of(endpoint(dies, "a", ""), renamed(endpoint(well, "b", ""), "other")))
	client := overHTTP2(t)
	var work sync.WaitGroup
	for i := range 20 {
		work.Go(func() {
			body := askStream
			if i%2 == 0 {
				body = strings.Replace(askStream, `"m"`, `"other"`, 1)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url(t, "main")+"/v1/chat/completions", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			got, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer got.Body.Close()
			data, err := io.ReadAll(got.Body)
			if err != nil || strings.Contains(string(data), "data: [DONE]") != (i%2 == 0) || strings.Contains(string(data), "stream_cut") != (i%2 == 1) {
				t.Errorf("%d: %v %s", i, err, data)
			}
		})
	}
	work.Wait()

	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(g.url(t, "main"), "http://"))
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(askStream), askStream)
	require.NoError(t, err)
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(answer), "stream_cut", "the end of the connection says nothing")
	require.NotContains(t, string(answer), "data: [DONE]")
}

// TestComplaint38Others: fallbacks are asked in their order, for all routes, and by all of many callers at once.
func TestComplaint38Others(t *testing.T) {
	t.Parallel()
	down, alsoDown := serves(t, text(500, "application/json", `{}`)), serves(t, text(503, "application/json", `{}`))
	local := serves(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/embeddings") {
			text(200, "application/json", `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,0]}],"usage":{"prompt_tokens":1}}`)(w, r)
			return
		}
		text(200, "application/json", answered)(w, r)
	})
	g := startGateway(t, hereWith(`"fallbacks":{"m":["second","local"],"gone":["local"]}`)+`,"endpoints":{`+strings.Join([]string{
		endpoint(down, "a", ""), renamed(endpoint(alsoDown, "b", ""), "second"), renamed(endpoint(local, "c", `,"max_in_flight":4`), "local"),
		`"d":{"kind":"openai","url":"http://127.0.0.1:1/v1","models":["gone"],"input_usd_per_mtok":1,"output_usd_per_mtok":2}`,
	}, ",")+`}`)
	status, _, answer, err := g.post(t, "/v1/embeddings", `{"model":"m","input":"hi"}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)
	require.EqualValues(t, 1, alsoDown.calls.Load(), "in their order")
	var work sync.WaitGroup
	for i := range 40 {
		work.Go(func() {
			body := ask
			if i%2 == 0 {
				body = strings.Replace(ask, `"m"`, `"gone"`, 1)
			}
			if status, _, answer, err := g.post(t, "/v1/chat/completions", body); err != nil || status != http.StatusOK {
				t.Errorf("%d %s %v", status, answer, err)
			}
		})
	}
	work.Wait()
	require.EqualValues(t, 41, local.calls.Load())
}

// TestComplaint38Limits: many calls at once pass neither the rate of a tenant nor its budget, also by way of a
// fallback.
func TestComplaint38Limits(t *testing.T) {
	t.Parallel()
	const budget = 5000
	down, local := serves(t, text(500, "application/json", `{}`)), serves(t, text(200, "application/json", answered))
	for name, limit := range map[string]string{"rate": `"requests_per_minute":10,`, "budget": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startGateway(t, hereWith(limit+`"fallbacks":{"m":["local"]}`)+`,"endpoints":{`+endpoint(down, "a", "")+`,`+renamed(endpoint(local, "b", ""), "local")+`}`)
			if name == "budget" {
				require.NoError(t, g.books(t).SetBudget(t.Context(), money.Budget{Scope: money.Scope{Tenant: "default"}, Period: money.Total, MicroUSD: budget}))
			}
			var served atomic.Int64
			var work sync.WaitGroup
			began := time.Now()
			for range 60 {
				work.Go(func() {
					switch status, _, answer, err := g.post(t, "/v1/chat/completions", ask); {
					case err == nil && status == http.StatusOK:
						served.Add(1)
					case err != nil || status != http.StatusTooManyRequests:
						t.Errorf("%d %s %v", status, answer, err)
					}
				})
			}
			work.Wait()
			require.Positive(t, served.Load())
			if name == "rate" {
				require.LessOrEqual(t, served.Load(), 10+1+int64(time.Since(began)/(6*time.Second)))
			} else {
				require.LessOrEqual(t, g.spent(t).CostMicroUSD, int64(budget))
			}
		})
	}
}

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// post sends a request and returns the whole answer; err is of a body that breaks off.
func (g *gateway) post(t *testing.T, path, body string) (status int, header http.Header, answer string, err error) {
	t.Helper()
	return g.send(t, path, "application/json", body)
}

func (g *gateway) send(t *testing.T, path, media, body string) (status int, header http.Header, answer string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url(t, "main")+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", media)
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	return got.StatusCode, got.Header, string(data), err
}

// insist sends a request again while its answer only says that the machine was slow; again is how often.
func (g *gateway) insist(t *testing.T, path, media, body string, slow func(status int, answer string) bool) (status int, header http.Header, answer string, again int64) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; again++ {
		var err error
		status, header, answer, err = g.send(t, path, media, body)
		require.NoError(t, err)
		if !slow(status, answer) || time.Now().After(end) {
			return status, header, answer, again
		}
	}
}

// unasked is the answer to a request for which there was no time to ask a server.
func unasked(_ int, answer string) bool { return strings.Contains(answer, "none took the request") }

// onceAsked is the answer to a request for which there was no time to ask its server, which is away, a second
// time: it says that the server failed. A further request finds that it is away.
func onceAsked(status int, answer string) bool {
	return status == http.StatusBadGateway && strings.Contains(answer, "upstream_failed")
}

func (g *gateway) books(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(filepath.Join(g.dir, "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// spent is what is booked, once all answers are: they do not wait for it.
func (g *gateway) spent(t *testing.T) video.Spend {
	t.Helper()
	return g.spentBy(t, tenant.Default)
}

func (g *gateway) spentBy(t *testing.T, of tenant.ID) (s video.Spend) {
	t.Helper()
	l := g.books(t)
	require.Eventually(t, func() (settled bool) {
		var err error
		s, err = l.Job(t.Context(), of, "gateway")
		return err == nil && s.Open == 0
	}, time.Minute, 5*time.Millisecond)
	return s
}

func code(t *testing.T, answer string) string {
	t.Helper()
	var b api.Body
	require.NoError(t, json.Unmarshal([]byte(answer), &b), answer)
	return b.Error.Code
}

const (
	ask       = `{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":100}`
	askStream = `{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":100,"stream":true}`
)

// TestPassedOn: requests and answers are passed on as they are, and booked.
func TestPassedOn(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", answered))
	g := startGateway(t, of(endpoint(b, "a", `,"api_key_env":"BACKEND_KEY"`)))
	status, header, answer, err := g.post(t, "/v1/chat/completions", ask)
	require.NoError(t, err)
	require.Equal(t, 200, status, answer)
	require.Equal(t, answered, answer)
	require.Equal(t, ask, b.said(), "not a byte is changed")
	require.Equal(t, "Bearer backend-secret-1", b.head.Get("Authorization"))
	require.Equal(t, header.Get("X-Request-Id"), b.head.Get("X-Request-Id"))
	spent := g.spent(t)
	require.EqualValues(t, 10*1+4*2, spent.CostMicroUSD)
	require.Equal(t, 1, spent.Answered)
	require.NotContains(t, g.out.String(), "backend-secret-1")
}

// TestRefused: what decides about money is read by exact names only.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", answered))
	g := startGateway(t, of(endpoint(b, "a", "")))
	for body, want := range map[string]string{
		`{"model":"m","model":"x"}`:       "invalid_json",
		`{"model":"m","Model":"x"}`:       "invalid_value",
		`{"model":"m","ſtream":true}`:     "invalid_value",
		`{"model":"m","max_tokens":-1}`:   "invalid_value",
		`{"model":"m","n":1000}`:          "invalid_value",
		`{"model":7}`:                     "invalid_value",
		`{"messages":[]}`:                 "invalid_value",
		`{"model":"m","a":{"b":1,"b":2}}`: "invalid_json",
		`[]`:                              "invalid_json",
		`null`:                            "invalid_json",
		`{"model":"m"} {}`:                "invalid_json",
		`{"model":"m","messages":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`: "invalid_json",
	} {
		status, _, answer, _ := g.post(t, "/v1/chat/completions", body)
		require.Equal(t, http.StatusBadRequest, status, body)
		require.Equal(t, want, code(t, answer), body)
	}
	status, _, answer, _ := g.post(t, "/v1/chat/completions", `{"model":"other"}`)
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "model_not_found", code(t, answer))
	status, _, _, _ = g.post(t, "/v1/audio/transcriptions", `{"model":"m"}`)
	require.Equal(t, http.StatusUnsupportedMediaType, status)
	require.Zero(t, b.calls.Load())
}

// TestComplaint30: a failure of the server never becomes an empty, well-formed answer.
func TestComplaint30(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status int
	}{
		"an error with 200": {text(200, "application/json", `{"error":{"message":"out of memory"}}`), 502},
		"no choices":        {text(200, "application/json", `{"choices":[],"usage":{}}`), 502},
		"a page":            {text(200, "text/html", `<html>down</html>`), 503}, // of a proxy: the server is away
		"not JSON":          {text(200, "application/json", `{"choices":`), 502},
		"empty":             {text(200, "application/json", ""), 502},
		"500":               {text(500, "application/json", `{"error":"boom"}`), 502},
		"busy":              {text(503, "application/json", `{"detail":"busy"}`), 503},
		"bad request":       {text(422, "application/json", `{"detail":"no such option"}`), 400},
		"not deployed":      {text(404, "application/json", `{"detail":"nothing here"}`), 502},
		"its key":           {text(401, "application/json", `{"detail":"key"}`), 502},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"choices":[`)
		}, 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serves(t, c.answer)
			section := of(endpoint(b, "a", ""))
			if c.status == 503 { // it is asked until the time is over
				section = within(1, section)
			}
			g := startGateway(t, section)
			status, header, answer, _ := g.insist(t, "/v1/chat/completions", "application/json", ask, func(status int, answer string) bool {
				return c.status == 503 && onceAsked(status, answer)
			})
			require.Equal(t, c.status, status, answer)
			require.NotEmpty(t, code(t, answer))
			require.Equal(t, status == 503, header.Get("Retry-After") != "")
		})
	}
}

// TestComplaint31: a stream that is cut ends with an error, and never with [DONE].
func TestComplaint31(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, streamed, events(delta("he"), delta("llo"))))
	g := startGateway(t, of(endpoint(b, "a", "")))
	status, _, answer, _ := g.post(t, "/v1/chat/completions", askStream)
	require.Equal(t, 200, status)
	require.True(t, strings.HasPrefix(answer, events(delta("he"), delta("llo"))), answer)
	require.NotContains(t, answer, "[DONE]")
	parts := strings.Split(strings.TrimSpace(answer), "\n\n")
	require.Equal(t, "stream_cut", code(t, strings.TrimPrefix(parts[len(parts)-1], "data: ")))
	require.EqualValues(t, 1, b.calls.Load(), "it is not asked again after the first byte")
	spent := g.spent(t)
	require.Equal(t, 1, spent.Charged)
	require.Positive(t, spent.CostMicroUSD)
}

// TestComplaint31BeforeTheAnswer: comments, which keep a connection open, do not bind a caller to a
// server that then fails, and an empty stream is a failure.
func TestComplaint31BeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{
		"no answer":         ": wait\n\n" + events("[DONE]"),
		"nothing":           ": wait\n\n",
		"an error":          ": wait\n\n" + events(`{"error":{"message":"overloaded","code":503}}`),
		"an error by name":  ": wait\n\nevent: error\ndata: {\"message\":\"overloaded\"}\n\n",
		"only a rate limit": events(`{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}`, "[DONE]"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fails, answers := serves(t, text(200, streamed, first)), serves(t, text(200, streamed, ": wait\n\n"+events(delta("hello"), last, "[DONE]")))
			g := startGateway(t, of(endpoint(fails, "a", ""), endpoint(answers, "b", "")))
			status, _, answer, err := g.post(t, "/v1/chat/completions", askStream)
			require.NoError(t, err)
			require.Equal(t, 200, status, answer)
			require.Equal(t, events(delta("hello"), last, "[DONE]"), answer)
			require.EqualValues(t, 1, fails.calls.Load())
		})
	}
}

// TestComplaint32: the usage of a stream is booked, and passed on only to a caller who asked.
func TestComplaint32(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, streamed, events(delta("hello"), last, tokens, "[DONE]")))
	g := startGateway(t, of(endpoint(b, "a", "")))
	_, header, answer, err := g.post(t, "/v1/chat/completions", askStream)
	require.NoError(t, err)
	require.Equal(t, events(delta("hello"), last, "[DONE]"), answer)
	require.Contains(t, header.Get("Content-Type"), streamed)
	require.Contains(t, b.said(), `"stream_options":{"include_usage":true}`)
	require.True(t, json.Valid([]byte(b.said())), b.said())
	require.EqualValues(t, 18, g.spent(t).CostMicroUSD)
	_, _, answer, _ = g.post(t, "/v1/chat/completions", strings.Replace(askStream, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1))
	require.Equal(t, events(delta("hello"), last, tokens, "[DONE]"), answer)
	require.EqualValues(t, 36, g.spent(t).CostMicroUSD)
	_, _, answer, _ = g.post(t, "/v1/chat/completions", strings.Replace(askStream, `"stream":true`, `"stream":true,"stream_options":{"x":1}`, 1))
	require.Equal(t, events(delta("hello"), last, "[DONE]"), answer)
	require.Contains(t, b.said(), `"stream_options":{"include_usage":true,"x":1}`)
}

// TestComplaint35: a server that fails is left out although another one of the model is well, and
// callers notice nothing.
func TestComplaint35(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var at []time.Time
	ghost := serves(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		at = append(at, time.Now())
		mu.Unlock()
		text(500, "application/json", `{"error":"dead"}`)(w, r)
	})
	well := serves(t, text(200, "application/json", answered))
	g := startGateway(t, of(endpoint(ghost, "a", ""), endpoint(well, "b", "")))
	for range 20 {
		status, _, answer, err := g.post(t, "/v1/chat/completions", ask)
		require.NoError(t, err)
		require.Equal(t, 200, status, answer)
	}
	require.EqualValues(t, 20, well.calls.Load())
	// Three failures in a row take it out for 5 s, and each further one for twice as long. A slow machine
	// may need longer than that for the 20 requests.
	mu.Lock()
	defer mu.Unlock()
	for i := 3; i < len(at); i++ {
		require.GreaterOrEqual(t, at[i].Sub(at[i-1]), min(5*time.Second<<(i-3), time.Minute), "call %d", i+1)
	}
}

// TestComplaint36: a server that hangs holds its own requests only.
func TestComplaint36(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hung := serves(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	well := serves(t, text(200, "application/json", answered))
	other := strings.Replace(endpoint(well, "b", ""), `["m"]`, `["other"]`, 1)
	g := startGateway(t, of(endpoint(hung, "a", `,"max_in_flight":1`), other))
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 20 {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url(t, "main")+"/v1/chat/completions", strings.NewReader(ask))
			if err == nil {
				r.Header.Set("Content-Type", "application/json")
				if got, err := http.DefaultClient.Do(r); err == nil {
					_ = got.Body.Close()
				}
			}
		})
	}
	require.Eventually(t, func() bool { return hung.calls.Load() == 1 }, time.Minute, time.Millisecond)
	for range 10 {
		status, _, answer, _ := g.post(t, "/v1/chat/completions", strings.Replace(ask, `"m"`, `"other"`, 1))
		require.Equal(t, 200, status, answer)
	}
	cancel()
	close(release)
	wg.Wait()
}

// TestComplaint38: a fallback is asked when no server of the model answers, and before the first
// byte only.
func TestComplaint38(t *testing.T) {
	t.Parallel()
	down := serves(t, text(500, "application/json", `{}`))
	local := serves(t, text(200, "application/json", answered))
	g := startGateway(t, hereWith(`"fallbacks":{"m":["local"]}`)+`,"endpoints":{`+endpoint(down, "a", "")+`,`+strings.Replace(endpoint(local, "b", ""), `["m"]`, `["local"]`, 1)+`}`)
	status, _, answer, _ := g.post(t, "/v1/chat/completions", ask)
	require.Equal(t, 200, status, answer)
	require.Contains(t, local.said(), `"model":"local"`)
	require.NotContains(t, local.said(), `"m"`)
	require.EqualValues(t, 1, down.calls.Load())
}

// TestComplaints2And11And12: parallel requests never spend more than a budget, a budget of 0
// blocks, and a model that costs nothing is never blocked.
func TestComplaints2And11And12(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", answered))
	free := serves(t, text(200, "application/json", answered))
	g := startGateway(t, of(endpoint(b, "a", ""), `"free":{"kind":"openai","url":"`+free.URL+`/v1","models":["free"],"input_usd_per_mtok":0,"output_usd_per_mtok":0}`))
	set := func(micro int64) {
		require.NoError(t, g.books(t).SetBudget(t.Context(), money.Budget{Scope: money.Scope{Tenant: "default"}, Period: money.Total, MicroUSD: micro}))
	}
	const budget = 5000 // a call reserves half of it
	set(budget)
	var wg sync.WaitGroup
	var ok, refused atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 50 {
				switch status, _, _, _ := g.post(t, "/v1/chat/completions", ask); status {
				case 200:
					ok.Add(1)
				case 429:
					refused.Add(1)
				default:
					t.Errorf("status %d", status)
				}
			}
		})
	}
	wg.Wait()
	spent := g.spent(t)
	require.LessOrEqual(t, spent.CostMicroUSD, int64(budget))
	require.Positive(t, ok.Load())
	require.Positive(t, refused.Load())
	require.EqualValues(t, ok.Load(), b.calls.Load(), "a refused request asks nothing")
	set(0)
	status, header, answer, _ := g.post(t, "/v1/chat/completions", ask)
	require.Equal(t, 429, status)
	require.Equal(t, api.CodeBudget, code(t, answer))
	require.Equal(t, "false", header.Get("X-Should-Retry"))
	status, _, answer, _ = g.post(t, "/v1/chat/completions", strings.Replace(ask, `"m"`, `"free"`, 1))
	require.Equal(t, 200, status, answer)
}

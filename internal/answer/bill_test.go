package answer_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/money"
)

const reserved = 50

// charged is what a ledger books for a call that failed with err.
func charged(err error) int64 { return money.ChargeOf(err, reserved) }

// hangUp reads the request, writes a text and closes the connection.
func hangUp(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = conn.Write([]byte(text))
			_ = conn.Close()
		}
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// TestBilled: the error of a failed call has the provider's charge.
func TestBilled(t *testing.T) {
	t.Parallel()
	const usage = `"usage":{"prompt_tokens":7,"completion_tokens":2}`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		class  fault.Class
		want   int64
	}{
		"400":                        {status(400, `{"error":"x"}`), fault.Input, 0},
		"401":                        {status(401, ``), fault.Auth, 0},
		"404":                        {status(404, ``), fault.Input, 0},
		"409":                        {status(409, ``), fault.Transport, 0},
		"413":                        {status(413, ``), fault.Input, 0},
		"429":                        {status(429, `{}`), fault.Overload, 0},
		"500":                        {status(500, `{"error":"x"}`), fault.Transport, 0},
		"500 of an unread answer":    {status(500, `{"error":{"message":"litellm.InternalServerError: InternalServerError: OpenAIException - Invalid response object","code":"500"}}`), fault.Transport, reserved},
		"500 of an unread page":      {status(500, `{"error":{"message":"litellm.InternalServerError: Empty or invalid response from LLM endpoint. Received: '<html>'","code":"500"}}`), fault.Transport, reserved},
		"500 of a broken connection": {status(500, `{"error":{"message":"litellm.InternalServerError: OpenAIException - Connection error.","code":"500"}}`), fault.Transport, reserved},
		"422 of an unread answer":    {status(422, `{"error":{"message":"litellm.UnprocessableEntityError: OpenAIException - Error in response object","code":"422"}}`), fault.Transport, reserved},
		"502":                        {status(502, `<html>`), fault.Transport, 0},
		"503":                        {status(503, ``), fault.Overload, 0},
		"529":                        {status(529, ``), fault.Overload, 0},
		"redirect":                   {status(302, ``), fault.Input, 0},
		"408":                        {status(408, ``), fault.Transport, reserved},
		"499":                        {status(499, ``), fault.Transport, reserved},
		"504":                        {status(504, `<html>`), fault.Transport, reserved},
		"524":                        {status(524, ``), fault.Transport, reserved},
		"500, cut":                   {hangUp("HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\n{"), fault.Transport, 0},
		"429, cut":                   {hangUp("HTTP/1.1 429 X\r\nContent-Length: 100\r\n\r\n{"), fault.Overload, 0},
		"hung up":                    {hangUp(""), fault.Transport, reserved},
		"cut":                        {hangUp("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"choices\":["), fault.Transport, reserved},
		"cut after the usage":        {hangUp("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{" + usage + ",\"choices\":["), fault.Transport, 9},
		"no content":                 {status(204, ``), fault.Transport, reserved},
		"page":                       {status(200, `<html>`), fault.Transport, reserved},
		"stream":                     {status(200, "data: {}\n\n"), fault.Transport, reserved},
		"too long":                   {status(200, `{"x":"`+strings.Repeat("x", 2000)+`"}`), fault.Transport, reserved},
		"too long, with usage":       {status(200, `{`+usage+`,"x":"`+strings.Repeat("x", 2000)+`"}`), fault.Transport, 9},
		"200 error":                  {status(200, `{"error":"CUDA error"}`), fault.Transport, reserved},
		"200 error with usage":       {status(200, `{"error":"CUDA error",`+usage+`}`), fault.Transport, 9},
		"200 of vLLM":                {status(200, `{"object":"error","message":"x"}`), fault.Transport, reserved},
		"200 of vLLM, 500":           {status(200, `{"object":"error","message":"x","code":500}`), fault.Transport, 0},
		"200 with a 429":             {status(200, `{"error":{"message":"x","code":429}}`), fault.Overload, 0},
		"200 with a 504":             {status(200, `{"error":{"message":"x","code":"504"}}`), fault.Transport, reserved},
		"200, rate limit":            {status(200, `{"error":{"message":"Rate limit exceeded: free-models-per-min"}}`), fault.Overload, 0},
		"200 with a 502, and usage":  {status(200, `{"choices":[{"message":{"content":"half"},"finish_reason":"error"}],`+usage+`,"error":{"code":502,"message":"upstream"}}`), fault.Transport, 9},
		"200 with a 429, and usage":  {status(200, `{`+usage+`,"error":{"code":429}}`), fault.Overload, 9},
		"200 with a 400, and usage":  {status(200, `{`+usage+`,"error":{"code":400,"message":"x"}}`), fault.Input, 9},
		"200 with a 502, no tokens":  {status(200, `{"usage":{"prompt_tokens":0,"completion_tokens":0},"error":{"code":502}}`), fault.Transport, 0},
		"200 with a mark and a page": {status(200, "\ufeff<html>"), fault.Transport, reserved},
		"500 with usage":             {status(500, `{"error":"x",`+usage+`}`), fault.Transport, 9},
		"200, odd types of code":     {status(200, `{"object":7,"code":[1],"error":{"message":{},"code":{"a":1}}}`), fault.Transport, reserved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bill := func(body []byte) (int64, bool) {
				u, found := money.UsageOf(body)
				return int64(u.Input.Tokens + u.Output.Tokens), found
			}
			_, err := client(answer.Options{MaxBytes: 1000}).Ask(t.Context(), answer.Call{URL: serve(t, c.answer), Body: []byte(`{}`), Bill: bill})
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			require.Equal(t, c.want, charged(err), "%v", err)
		})
	}
}

// TestPage: a page of a proxy means that the endpoint is down; an answer that a model may have
// written, even if it is damaged, does not.
func TestPage(t *testing.T) {
	t.Parallel()
	for body, away := range map[string]bool{
		"<html>back in a moment</html>": true, "\xef\xbb\xbf\r\n <!DOCTYPE html>": true, "Service under maintenance": true, "no": true, "OK\n": true,
		`{"choices":[`: false, `["a"`: false, "": false, " \n": false, "data: {}\n\n": false, ": ping\n\ndata: {}\n\n": false, "event: x\n": false,
		"null": false, "3": false, `{"error":"x"}`: false,
	} {
		_, err := client(answer.Options{}).Ask(t.Context(), answer.Call{URL: serve(t, status(200, body)), Body: []byte(`{}`)})
		require.Equal(t, away, errors.Is(err, circuit.ErrAway), "%q: %v", body, err)
		require.Equal(t, away, away && money.IsCharged(err), "nobody knows")
	}
	for _, code := range []int{400, 500, 502} {
		_, err := client(answer.Options{}).Ask(t.Context(), answer.Call{URL: serve(t, status(code, "<html>")), Body: []byte(`{}`)})
		require.NotErrorIs(t, err, circuit.ErrAway, "the status says it")
	}
}

// TestNotSent: a request that never reached a server costs nothing.
func TestNotSent(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())
	ask := client(answer.Options{})
	for range 8 { // the circuit breaker refuses the last ones
		_, err := ask.Ask(t.Context(), answer.Call{URL: address, Body: []byte(`{}`)})
		require.Error(t, err)
		require.Zero(t, charged(err), "%v", err)
		require.Equal(t, money.Booking{Outcome: money.Released}, money.End(err, 0, reserved), "the endpoint saw nothing: %v", err)
	}
	secure := strings.Replace(serve(t, status(200, `{}`)), "http:", "https:", 1)
	_, err = client(answer.Options{}).Ask(t.Context(), answer.Call{URL: secure, Body: []byte(`{}`)})
	require.True(t, money.Unsent(err), "no handshake: %v", err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client(answer.Options{}).Ask(ctx, answer.Call{URL: serve(t, status(200, `{}`)), Body: []byte(`{}`)})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, charged(err))
	require.True(t, money.Unsent(err))

	// A body that is never read cannot be answered, however long one waits.
	stuck, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = stuck.Close() })
	err = answertest.SentInTime(func(timeout time.Duration) error {
		_, err := client(answer.Options{Timeout: timeout}).Ask(t.Context(), answer.Call{URL: "http://" + stuck.Addr().String(), Body: make([]byte, 64<<20)})
		return err
	})
	require.ErrorIs(t, err, answer.ErrTimeout)
	require.Zero(t, charged(err))
	require.False(t, money.Unsent(err), "it may have seen a part")
	for _, code := range []int{400, 429, 500} {
		_, err := client(answer.Options{}).Ask(t.Context(), answer.Call{URL: serve(t, status(code, `{}`)), Body: []byte(`{}`)})
		require.Equal(t, money.Booking{Outcome: money.Refused}, money.End(err, 0, reserved), code)
	}
}

// TestGivenUp: a server may finish a call after its caller gave up.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 16)
	at := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = bufio.NewReader(r.Body).ReadByte()
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := client(answer.Options{}).Ask(ctx, answer.Call{URL: at, Body: []byte(`{}`)})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, fault.ClassOf(err), "no failure")
	require.EqualValues(t, reserved, charged(err))
	err = answertest.SentInTime(func(timeout time.Duration) error {
		_, err := client(answer.Options{Timeout: timeout}).Ask(t.Context(), answer.Call{URL: at, Body: []byte(`{}`)})
		return err
	})
	require.ErrorIs(t, err, answer.ErrTimeout)
	require.EqualValues(t, reserved, charged(err))
}

// TestSentOnce: net/http resends a request with an Idempotency-Key when a reused connection
// breaks. Such a call would be missing from the ledger.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler)
		}
		require.Equal(t, "k", r.Header.Get("Idempotency-Key"))
		_, _ = w.Write([]byte(`{}`))
	})
	ask := client(answer.Options{})
	call := answer.Call{URL: at, Body: []byte(`{}`), Header: http.Header{"idempotency-key": {"k"}}}
	for range 10 {
		_, err := ask.Ask(t.Context(), call)
		require.NoError(t, err)
		_, err = ask.Ask(t.Context(), call)
		require.EqualValues(t, reserved, charged(err), "%v", err)
	}
	require.EqualValues(t, 20, calls.Load())
}

// TestEntry: the key of the ledger entry is sent with the request.
func TestEntry(t *testing.T) {
	t.Parallel()
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(strconv.AppendQuote(nil, r.Header.Get("X-Client-Request-Id")))
	})
	body, err := client(answer.Options{}).Ask(money.WithEntry(t.Context(), "key-1"), answer.Call{URL: at, Body: []byte(`{}`)})
	require.NoError(t, err)
	require.Equal(t, `"key-1"`, string(body))
}

func TestChargeOfAnAnswer(t *testing.T) {
	t.Parallel()
	failure := errors.New("no vectors")
	require.NoError(t, answer.Bill(nil).Charge(nil, nil))
	require.EqualValues(t, reserved, charged(answer.Bill(nil).Charge(nil, failure)))
	known := answer.Bill(func([]byte) (int64, bool) { return 3, true })
	require.EqualValues(t, 3, charged(known.Charge(nil, failure)))
	require.EqualValues(t, 8, charged(known.Charge(nil, money.Charge(failure, 8))), "what is charged stays so")
}

// TestNoError: an answer with an empty error field is valid.
func TestNoError(t *testing.T) {
	t.Parallel()
	for field, good := range map[string]bool{
		`null`: true, `""`: true, `" "`: true, `false`: true, `0`: true, `{}`: true, `[]`: true, `{"code":0}`: true, `{"code":0,"message":""}`: true,
		`{"code":"0","message":"Success","param":null,"type":[]}`: true, `{"code":200,"message":"OK","details":{"x":{}}}`: true, `[null,{}]`: true,
		`true`: false, `1`: false, `"x"`: false, `{"code":502}`: false, `{"code":0,"message":"CUDA error"}`: false, `["x"]`: false, `1e999`: false,
	} {
		for _, mark := range []string{"", "\ufeff"} {
			at := serve(t, status(200, mark+`{"choices":[],"error":`+field+`}`))
			body, err := client(answer.Options{}).Ask(t.Context(), answer.Call{URL: at, Body: []byte(`{}`)})
			require.Equal(t, good, err == nil, "%s: %v", field, err)
			if good {
				require.JSONEq(t, `{"choices":[],"error":`+field+`}`, string(body))
			}
		}
	}
}

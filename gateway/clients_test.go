package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/tenant"
)

// TestClientGone: a client that goes away stops the call of the server, and what was used is booked.
func TestClientGone(t *testing.T) {
	t.Parallel()
	stopped := make(chan struct{})
	b := serves(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", streamed)
		_, _ = io.WriteString(w, events(delta("hello")))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(stopped)
	})
	g := startGateway(t, of(endpoint(b, "a", "")))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url(t, "main")+"/v1/chat/completions", strings.NewReader(askStream))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	line, err := bufio.NewReader(got.Body).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "hello")
	cancel()
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Fatal("the call of the server goes on")
	}
	l := g.books(t)
	require.Eventually(t, func() bool {
		s, err := l.Job(t.Context(), tenant.Default, "gateway")
		return err == nil && s.Open == 0 && s.Lost == 1 && s.CostMicroUSD > 0 && s.CostMicroUSD < 1000
	}, time.Minute, 10*time.Millisecond)
}

// TestTranscription passes a form on, and sets the model of the listener.
func TestTranscription(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", `{"text":"hello"}`))
	g := startGateway(t, `"gateway":{"listeners":{"main":{"address":"127.0.0.1:0","tenant":"default","model":"w"}}},
		"endpoints":{"a":{"kind":"transcriptions","url":"`+b.URL+`/v1","models":["w"]}}`)
	form := func(fields ...string) (media string, body *bytes.Buffer) {
		body = &bytes.Buffer{}
		w := multipart.NewWriter(body)
		for i := 0; i < len(fields); i += 2 {
			require.NoError(t, w.WriteField(fields[i], fields[i+1]))
		}
		f, err := w.CreateFormFile("file", "a.wav")
		require.NoError(t, err)
		_, err = f.Write([]byte("RIFF"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return w.FormDataContentType(), body
	}
	send := func(fields ...string) (int, string) {
		media, body := form(fields...)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url(t, "main")+"/v1/audio/transcriptions", body)
		require.NoError(t, err)
		r.Header.Set("Content-Type", media)
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer got.Body.Close()
		data, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		return got.StatusCode, string(data)
	}
	for _, fields := range [][]string{nil, {"model", "w"}} {
		status, answer := send(fields...)
		require.Equal(t, 200, status, answer)
		require.JSONEq(t, `{"text":"hello"}`, answer)
		require.Contains(t, b.said(), "RIFF")
		require.Contains(t, b.said(), `name="model"`)
	}
	for _, fields := range [][]string{{"model", "w", "model", "x"}, {"Model", "w"}, {"stream", "true"}} {
		status, answer := send(fields...)
		require.Equal(t, 400, status, answer)
	}
	status, answer := send("model", "x")
	require.Equal(t, 404, status, answer)
}

// TestDrain: a stream in flight ends by itself after SIGTERM, and new requests are refused.
func TestDrain(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	b := serves(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", streamed)
		_, _ = io.WriteString(w, events(delta("hello")))
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, events(last, "[DONE]"))
	})
	g := startGateway(t, of(endpoint(b, "a", "")))
	done := make(chan string, 1)
	go func() {
		_, _, answer, err := g.post(t, "/v1/chat/completions", askStream)
		done <- fmt.Sprint(answer, err)
	}()
	require.Eventually(t, func() bool { return b.calls.Load() == 1 }, time.Minute, time.Millisecond)
	g.stop()
	require.Eventually(t, func() bool { return strings.Contains(g.out.String(), "draining") }, time.Minute, time.Millisecond)
	close(release)
	require.Equal(t, events(delta("hello"), last, "[DONE]")+"<nil>", <-done)
}

// TestPartOfVideo: Cogniverse's client of VideoPrism sends a part of a video, and fields of its own.
func TestPartOfVideo(t *testing.T) {
	t.Parallel()
	var vectors atomic.Value
	vectors.Store(`[[0.5,1]]`)
	b := serves(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/video/embeddings" {
			http.NotFound(w, r)
			return
		}
		text(200, "application/json", fmt.Sprintf(`{"embeddings":%s,"processing_time":0.1,"model":"m","frames_processed":16}`, vectors.Load()))(w, r)
	})
	g := startGateway(t, `"gateway":{"address":"127.0.0.1:0"},"endpoints":{"a":{"kind":"embeddings","url":"`+b.URL+`","models":["m"]}}`)
	const asked = `{"video":"AAAA","start_time":0.5,"end_time":4,"model":"m","model_name":"m"}`
	status, _, answer, err := g.post(t, "/v1/video/embeddings", asked)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)
	require.Equal(t, []any{[]any{0.5, 1.0}}, object(t, answer)["embeddings"])
	require.JSONEq(t, asked, b.said())

	vectors.Store(`[]`)
	status, _, answer, err = g.post(t, "/v1/video/embeddings", asked)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadGateway, status, answer)
	require.Contains(t, answer, "vectors")
}

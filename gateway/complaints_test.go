package main

import (
	"encoding/base64"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestComplaint33: images in base64 are passed on as they are. The gateway reads the header of an
// image and decodes no pixels, so a request with an image costs about as much as its bytes.
func TestComplaint33(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", answered))
	g := startGateway(t, of(endpoint(b, "a", "")))
	frame := append(picture(t, 640, 480), make([]byte, 700<<10)...)
	body := linked("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(frame))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			status, _, answer, err := g.post(t, "/v1/chat/completions", body)
			if err != nil || status != 200 {
				t.Errorf("%d %s %v", status, answer, err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 20, b.calls.Load())
	require.Equal(t, body, b.said(), "not a byte is changed")
}

// TestComplaint34: the memory of the gateway does not grow with the number of requests. It runs
// alone, because it reads the heap of the process.
func TestComplaint34(t *testing.T) { //nolint:paralleltest // see above
	b := serves(t, text(200, "application/json", answered))
	g := startGateway(t, of(endpoint(b, "a", "")))
	body := strings.Replace(ask, "hi", strings.Repeat("word ", 16<<10), 1)
	heap := func(requests int) int64 {
		for range requests {
			status, _, answer, err := g.post(t, "/v1/chat/completions", body)
			require.NoError(t, err)
			require.Equal(t, 200, status, answer)
		}
		http.DefaultClient.CloseIdleConnections()
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) //nolint:gosec // far below
	}
	before := heap(50)
	after := heap(150)
	require.Less(t, after-before, int64(4<<20), "150 requests of 80 KiB")
}

// TestComplaint37: a server that stops, or says that it does, gets no request that another one can
// take, and callers notice nothing.
func TestComplaint37(t *testing.T) {
	t.Parallel()
	var draining sync.Map
	stops := serves(t, func(w http.ResponseWriter, r *http.Request) {
		if _, yes := draining.Load("yes"); yes {
			w.Header().Set("Connection", "close")
			text(503, "application/json", `{"detail":"shutting down"}`)(w, r)
			return
		}
		text(200, "application/json", answered)(w, r)
	})
	stays := serves(t, text(200, "application/json", answered))
	g := startGateway(t, of(endpoint(stops, "a", ""), endpoint(stays, "b", "")))
	rounds := func(n int) {
		for range n {
			status, _, answer, err := g.post(t, "/v1/chat/completions", ask)
			require.NoError(t, err)
			require.Equal(t, 200, status, answer)
		}
	}
	rounds(3)
	require.Positive(t, stops.calls.Load())
	draining.Store("yes", true)
	rounds(5)
	stops.Close()
	rounds(20)
	require.GreaterOrEqual(t, stays.calls.Load(), int64(25))
}

// TestComplaint40: an adapter that only one of several servers has loaded is found there. The other
// one answers 404, which callers of the gateway never see while a server has the model.
func TestComplaint40(t *testing.T) {
	t.Parallel()
	without := serves(t, text(404, "application/json", `{"error":{"message":"The model does not exist"}}`))
	with := serves(t, text(200, "application/json", answered))
	g := startGateway(t, of(endpoint(without, "a", ""), endpoint(with, "b", "")))
	for range 10 {
		status, _, answer, err := g.post(t, "/v1/chat/completions", ask)
		require.NoError(t, err)
		require.Equal(t, 200, status, answer)
	}
	require.EqualValues(t, 10, with.calls.Load())
	_, body := get(t, g.url(t, "main")+"/v1/models", "")
	require.Contains(t, body, `"m"`)
}

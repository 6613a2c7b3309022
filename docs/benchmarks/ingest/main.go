// Command ingest is the simulated endpoint of the comparison on this page: a vision model behind
// the chat API, with a fixed number of slots and a fixed time for each call.
//
// A call waits for a slot. Once it has one, it is paid for and takes its time, even if the client
// has gone: so does a GPU. GET /counts says what was paid.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type endpoint struct {
	slots   chan struct{}
	latency time.Duration

	mu    sync.Mutex
	paid  map[string]int // by the hash of the image
	busy  int            // slots in use
	peak  int
	first time.Time // begin of the first paid call
	last  time.Time // end of the last one
}

func main() {
	slots := flag.Int("slots", 8, "number of calls that are served at once")
	latency := flag.Duration("latency", 100*time.Millisecond, "duration of a call with a slot")
	flag.Parse()
	e := &endpoint{slots: make(chan struct{}, *slots), latency: *latency, paid: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", e.complete)
	mux.HandleFunc("GET /v1/models", models)
	mux.HandleFunc("GET /counts", e.counts)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(os.Stdout, "http://%s\n", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

func models(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{"object": "list", "data": []any{map[string]any{"id": "simulated", "object": "model"}}})
}

// request has the fields of a chat request that a captioning model reads.
type request struct {
	Model    string `json:"model"`
	Messages []struct {
		Content []struct {
			Image struct {
				URL string `json:"url"`
			} `json:"image_url"`
		} `json:"content"`
	} `json:"messages"`
}

// image returns the hash of the only image of a request.
func (r request) image() (string, bool) {
	for _, m := range r.Messages {
		for _, part := range m.Content {
			_, data, found := strings.Cut(part.Image.URL, ";base64,")
			if !found {
				continue
			}
			jpeg, err := base64.StdEncoding.DecodeString(data)
			return fmt.Sprintf("%x", sha256.Sum256(jpeg))[:16], err == nil
		}
	}
	return "", false
}

func (e *endpoint) complete(w http.ResponseWriter, r *http.Request) {
	var asked request
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20)).Decode(&asked)
	image, ok := asked.image()
	if err != nil || !ok {
		http.Error(w, `{"error": {"message": "a message needs an image as a data URI"}}`, http.StatusBadRequest)
		return
	}
	select {
	case e.slots <- struct{}{}:
	case <-r.Context().Done(): // it has not begun, so it costs nothing
		return
	}
	e.begin(image)
	<-time.After(e.latency)
	e.end()
	<-e.slots
	reply(w, map[string]any{
		"id": "chat-" + image, "object": "chat.completion", "model": asked.Model,
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": "stop",
			"message": map[string]any{"role": "assistant", "content": "A simulated picture with the number " + image + "."},
		}},
		"usage": map[string]any{"prompt_tokens": 400, "completion_tokens": 20, "total_tokens": 420},
	})
}

func (e *endpoint) begin(image string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.paid) == 0 {
		e.first = time.Now()
	}
	e.paid[image]++
	e.busy++
	e.peak = max(e.peak, e.busy)
}

func (e *endpoint) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy--
	e.last = time.Now()
}

// counts are the paid calls, the different images, and the seconds from the first to the last call.
func (e *endpoint) counts(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	calls := 0
	for _, n := range e.paid {
		calls += n
	}
	reply(w, map[string]any{
		"calls": calls, "images": len(e.paid), "repeated": calls - len(e.paid), "busy": e.busy, "peak": e.peak,
		"span": e.last.Sub(e.first).Seconds(),
	})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that has gone is no error
}

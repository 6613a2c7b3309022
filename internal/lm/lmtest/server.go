// Package lmtest has a fake language model server for tests: an HTTP server with OpenAI's
// chat protocol, which refuses what OpenAI refuses, answers as the test specifies, counts
// its answers, and can simulate every known failure of such servers. It does not run a
// model.
package lmtest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/prompt"
)

// Call is a received request.
type Call struct {
	// Fingerprint of the completion, from the header Idempotency-Key; "" without the
	// header.
	Fingerprint   string
	Arrived, Left time.Time // Left is zero until the response is complete

	Model     string           `json:"model"`
	Messages  []prompt.Message `json:"messages"`
	Heat      *float64         `json:"temperature"`
	MaxTokens *int             `json:"max_tokens"`
	NewMax    *int             `json:"max_completion_tokens"`
	Stop      []string         `json:"stop"`
	Seed      *int64           `json:"seed"`
	Format    *prompt.Object   `json:"response_format"`
	Template  map[string]any   `json:"chat_template_kwargs"`
}

// Reply is the answer of the model.
type Reply struct {
	Text    string
	Refusal string // instead of the text
}

// Server is the fake. Set its fields before the first call.
type Server struct {
	answertest.Script // responses to the next calls
	answertest.Site   // without a path; OpenAI's base is URL + "/v1"

	Models  []string               // served models
	Key     string                 // required key; "" = none
	Context int                    // maximum tokens of a prompt and its answer; 0 = unlimited
	Say     func(Call) Reply       // the answer; nil = Echo
	Decide  func(call int) Answer  // the failure of a call, counted from 1; nil, or a nil result = no failure
	Latency func() time.Duration   // of each call; nil = none
	Slots   int                    // concurrent calls; 0 = unlimited
	Refuse  bool                   // beyond the slots: 429 instead of a queue
	Dress   func(v map[string]any) // changes a response before it is sent; nil = no change

	once  sync.Once
	slots chan struct{}

	mu       sync.Mutex
	calls    []Call
	answered map[string]int
	open     int
	most     int
}

// Start starts a server for the model test/lm that ends with the test. Its fields can be
// changed until the first call.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{Models: []string{"test/lm"}, answered: map[string]int{}}
	s.Serve(tb, s)
	return s
}

// Calls lists all received calls in the order of arrival, with and without an answer.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Answered returns the number of paid answers, by fingerprint.
func (s *Server) Answered() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.answered)
}

// Most is the highest number of concurrent calls, including waiting ones.
func (s *Server) Most() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.Key && r.Header.Get("X-Api-Key") != s.Key:
		refuse(w, http.StatusUnauthorized, "invalid_api_key", "Incorrect API key provided: "+r.Header.Get("Authorization"))
	case r.URL.Path == "/v1/models" && r.Method == http.MethodGet:
		s.models(w)
	case r.URL.Path != "/v1/chat/completions":
		refuse(w, http.StatusNotFound, "unknown_url", "Unknown request URL: "+r.Method+" "+r.URL.Path)
	case r.Method != http.MethodPost:
		refuse(w, http.StatusMethodNotAllowed, "method_not_supported", "Not allowed to "+r.Method)
	default:
		s.chat(w, r)
	}
}

func (s *Server) models(w http.ResponseWriter) {
	list := []map[string]any{}
	for _, m := range s.Models {
		list = append(list, map[string]any{"id": m, "object": "model", "created": 1, "owned_by": "test"})
	}
	write(w, map[string]any{"object": "list", "data": list})
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	call, problem := decode(r)
	leave, number := s.enter(call)
	defer leave()
	if scripted := s.scripted(number); scripted != nil {
		scripted(w)
		return
	}
	if problem != "" {
		refuse(w, http.StatusBadRequest, "invalid_value", problem)
		return
	}
	done, ok := s.work(r)
	if !ok {
		refuse(w, http.StatusTooManyRequests, "rate_limit_exceeded", "Rate limit reached")
		return
	}
	defer done()
	if r.Context().Err() == nil { // otherwise the client has disconnected
		s.reply(w, call)
	}
}

func (s *Server) enter(call Call) (leave func(), number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	call.Arrived = time.Now()
	s.calls = append(s.calls, call)
	number = len(s.calls)
	s.open++
	s.most = max(s.most, s.open)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		s.calls[number-1].Left = time.Now()
	}, number
}

func (s *Server) scripted(number int) Answer {
	if a := s.Take(); a != nil {
		return a
	}
	if s.Decide != nil {
		return s.Decide(number)
	}
	return nil
}

// work takes a slot, if slots are limited, and waits for the latency.
func (s *Server) work(r *http.Request) (done func(), ok bool) {
	done = func() {}
	if s.Slots > 0 {
		s.once.Do(func() { s.slots = make(chan struct{}, s.Slots) })
		select {
		case s.slots <- struct{}{}:
		default:
			if s.Refuse {
				return nil, false
			}
			select {
			case s.slots <- struct{}{}:
			case <-r.Context().Done():
				return done, true
			}
		}
		done = func() { <-s.slots }
	}
	if s.Latency != nil {
		select {
		case <-time.After(s.Latency()):
		case <-r.Context().Done():
		}
	}
	return done, true
}

// reply responds and counts the answer.
func (s *Server) reply(w http.ResponseWriter, call Call) {
	if !slices.Contains(s.Models, call.Model) {
		refuse(w, http.StatusNotFound, "model_not_found", "The model `"+call.Model+"` does not exist")
		return
	}
	asked := tokens(call.Text())
	if s.Context > 0 && asked+call.most() > s.Context {
		refuse(w, http.StatusBadRequest, "context_length_exceeded", "This model's maximum context length is exceeded. Please reduce the length of the messages or completion.")
		return
	}
	say := s.Say
	if say == nil {
		say = Echo
	}
	reply, finish := say(call), "stop"
	if most := call.most(); most > 0 && tokens(reply.Text) > most {
		reply.Text, finish = strings.ToValidUTF8(reply.Text[:most*bytesAToken], ""), "length"
	}
	message := map[string]any{"role": "assistant", "content": reply.Text, "refusal": nil}
	if reply.Refusal != "" {
		message["content"], message["refusal"] = nil, reply.Refusal
	}
	made := tokens(reply.Text + reply.Refusal)
	if finish == "stop" {
		made++ // the end-of-turn token
	}
	v := map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": call.Model,
		"choices": []any{map[string]any{"index": 0, "finish_reason": finish, "logprobs": nil, "message": message}},
		"usage":   map[string]any{"prompt_tokens": asked, "completion_tokens": made, "total_tokens": asked + made},
	}
	if s.Dress != nil {
		s.Dress(v)
	}
	s.mu.Lock()
	s.answered[call.Fingerprint]++
	s.mu.Unlock()
	write(w, v)
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"message": text, "type": "invalid_request_error", "param": nil, "code": code}})
	_, _ = w.Write(body)
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// drain reads the rest of the request; otherwise the server does not notice when the client
// disconnects.
func drain(r io.Reader) { _, _ = io.Copy(io.Discard, r) }

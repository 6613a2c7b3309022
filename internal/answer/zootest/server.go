package zootest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/money"
)

// Request is one request as the endpoint saw it.
type Request struct {
	Entry     string // key of the ledger entry; "" = the request has none
	Model     string
	Behaviour Behaviour // zero value = a plain answer
	Billed    int64     // micro-USD
	Known     bool      // the caller can know the exact bill
}

// Server is the endpoint. Set it up before the first call.
type Server struct {
	answertest.Site // OpenAI's base is URL + "/v1"

	Price money.Price
	Say   func(body []byte) string // text of an answer; nil = Text
	Once  bool                     // a behaviour that can pass is shown once per model

	all      []Behaviour
	mu       sync.Mutex
	requests []Request
	seen     map[string]bool
}

// Text is the text of answers.
const Text = "An answer."

// Start starts an endpoint that ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{all: All(), seen: map[string]bool{}, Price: money.Price{Input: 1, Output: 10}}
	s.Serve(tb, s)
	return s
}

// Mark is a text that selects a behaviour if the last message of a request contains it.
func Mark(behaviour int) string { return fmt.Sprintf("zoo-%d.", behaviour) }

var mark = regexp.MustCompile(`zoo-(\d+)\.`)

// Requests returns all requests, in order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller disconnected before the end of its request
	}
	var in struct {
		Model    string            `json:"model"`
		Messages []json.RawMessage `json:"messages"`
	}
	if json.Unmarshal(body, &in) != nil || len(in.Messages) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	text := Text
	if s.Say != nil {
		text = s.Say(body)
	}
	b, ok := s.behaviour(in.Model, in.Messages[len(in.Messages)-1], body)
	number := s.enter(r.Header.Get("X-Client-Request-Id"), in.Model, b)
	if ok {
		b.Answer(text)(w)
	} else {
		plain(w, text)
	}
	if r.Context().Err() != nil {
		s.gone(number)
	}
}

// behaviour is the behaviour that the last message selects, if any.
func (s *Server) behaviour(model string, last, body []byte) (Behaviour, bool) {
	var named string
	for _, m := range mark.FindAllSubmatch(last, -1) {
		if named != "" && named != string(m[1]) {
			return Behaviour{}, false
		}
		named = string(m[1])
	}
	for i, b := range s.all {
		if fmt.Sprint(i) != named || b.Refuses != nil && !b.Refuses(body) {
			continue
		}
		if s.Once && b.Outcome.Passes() && !s.first(model+" "+named) {
			return Behaviour{}, false
		}
		return b, true
	}
	return Behaviour{}, false
}

func (s *Server) first(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen[key]
	s.seen[key] = true
	return !seen
}

// enter records a request and returns its index.
func (s *Server) enter(entry, model string, b Behaviour) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Request{Entry: entry, Model: model, Behaviour: b, Known: b.Bill == "" || b.Bill == Exact || b.Bill == Free}
	switch {
	case b.Bill == Free:
	case b.NoText:
		r.Billed = s.Price.Cost(Input, 0)
	default:
		r.Billed = s.Price.Cost(Input, Output)
	}
	s.requests = append(s.requests, r)
	return len(s.requests) - 1
}

// gone records that the caller disconnected before the answer of a request, so that it cannot know
// the bill.
func (s *Server) gone(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[number].Known = false
}

// IsUp reports whether a server answers with status 200.
func IsUp(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

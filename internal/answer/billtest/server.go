// Package billtest has an endpoint for tests with the protocols of all kinds of models. It
// records each request: its ledger entry, what it was billed, and whether the answer says so.
// It fails by a plan. Its answers come from the fakes of each protocol.
package billtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/asr/asrtest"
	"github.com/cogniverse/cogflow/internal/embed/embedtest"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
)

// Request is one request as the endpoint saw it.
type Request struct {
	Entry  string // key of the ledger entry; "" = the request has none
	Model  string
	Fault  Fault
	Billed int64      // micro-USD
	Used   money.Used // as the answer says; zero if it does not
	// Exact is set if the answer says what was billed and the caller waited for it.
	Exact bool
}

// Server is the endpoint. Set it up before the first call.
type Server struct {
	answertest.Site // for pooling; the base of the other kinds is URL + "/v1"

	Tokens  map[string]money.Price // of chat models
	Calls   map[string]int64       // micro-USD per call of other models; per text of embeddings
	Latency func() time.Duration   // of each call; nil = none

	VLM   *vlmtest.Server
	LM    *lmtest.Server
	Embed *embedtest.Server
	ASR   *asrtest.Server

	mu       sync.Mutex
	plan     Plan
	requests []*Request
	open     map[*Request]bool // being answered
	away     bool
	asked    map[string]int // calls by question
}

// Start starts an endpoint that ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{
		Tokens: map[string]money.Price{}, Calls: map[string]int64{}, asked: map[string]int{}, open: map[*Request]bool{},
		VLM: vlmtest.Start(tb), LM: lmtest.Start(tb), Embed: embedtest.Start(tb), ASR: asrtest.Start(tb),
	}
	s.Serve(tb, s)
	return s
}

// Fail replaces the plan.
func (s *Server) Fail(p Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = p
}

// Stop stops the endpoint. Answers in progress are billed but not delivered.
func (s *Server) Stop() {
	s.mu.Lock()
	s.away = true
	for r := range s.open {
		r.Exact = false
	}
	s.mu.Unlock()
	s.Site.Stop()
}

// Start restarts the endpoint.
func (s *Server) Start() {
	s.mu.Lock()
	s.away = false
	s.mu.Unlock()
	s.Site.Start()
}

// Requests returns every request that arrived completely, in order of arrival.
func (s *Server) Requests() (all []Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		all = append(all, *r)
	}
	return all
}

// Count is the number of requests that arrived.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.look(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller disconnected before the end of its request
	}
	c := call{path: r.URL.Path, body: body, kind: r.Header.Get("Content-Type")}
	handler := s.handler(c)
	if handler == nil {
		http.NotFound(w, r)
		return
	}
	inner := httptest.NewRequestWithContext(r.Context(), http.MethodPost, r.URL.Path, bytes.NewReader(body))
	inner.Header = r.Header
	answered := httptest.NewRecorder()
	handler.ServeHTTP(answered, inner)
	c.model, c.question, c.texts = c.read()
	fault, number, account := s.enter(c, r.Header.Get("X-Client-Request-Id"), answered)
	defer s.leave(account)
	if s.Latency != nil {
		select {
		case <-time.After(s.Latency()):
		case <-r.Context().Done():
		}
	}
	if fault == Slow {
		select {
		case <-time.After(time.Minute):
		case <-r.Context().Done():
		}
	}
	if r.Context().Err() != nil {
		s.gone(account)
		return
	}
	deliver(w, fault, answered, absurd(c.question, number))
}

// look answers requests that cost nothing: for the list of models, and probes.
func (s *Server) look(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/models" {
		http.Error(w, `{"detail":"Method Not Allowed"}`, http.StatusMethodNotAllowed)
		return
	}
	list := []map[string]string{}
	for m := range s.Tokens {
		list = append(list, map[string]string{"id": m})
	}
	for m := range s.Calls {
		list = append(list, map[string]string{"id": m})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": list})
}

func (s *Server) handler(c call) http.Handler {
	switch {
	case c.path == "/v1/chat/completions" && bytes.Contains(c.body, []byte(`"image_url"`)):
		return s.VLM
	case c.path == "/v1/chat/completions":
		return s.LM
	case c.path == "/v1/embeddings", c.path == "/pooling":
		return s.Embed
	case c.path == "/v1/audio/transcriptions":
		return s.ASR
	}
	return nil
}

// enter records a call.
func (s *Server) enter(c call, entry string, answered *httptest.ResponseRecorder) (Fault, int, *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := s.asked[c.question]
	s.asked[c.question]++
	fault := s.plan.fault(c.question, number)
	price, byTokens := s.Tokens[c.model]
	if !byTokens && (fault == Absurd || fault == NoUsage) {
		fault = OddTypes // such answers have no usage
	}
	r := &Request{Entry: entry, Model: c.model, Fault: fault, Exact: fault.exact()}
	u, _ := money.UsageOf(answered.Body.Bytes())
	if fault.exact() && !fault.free() {
		r.Used = u.Used()
	}
	switch {
	case answered.Code != http.StatusOK || fault.free():
	case byTokens:
		r.Billed = price.Cost(u.Input.Tokens, u.Output.Tokens)
	default: // a price per call is known without the answer
		r.Billed, r.Exact = money.Times(c.texts, s.Calls[c.model]), true
	}
	r.Exact = r.Exact && !s.away
	s.open[r] = true
	s.requests = append(s.requests, r)
	return fault, number, r
}

func (s *Server) leave(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, r)
}

func (s *Server) gone(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Exact = false
}

// call is a request.
type call struct {
	path, kind string
	body       []byte

	model    string
	question string // hash of the content, equal for all forms of a request
	texts    int    // billed texts
}

func (c call) read() (model, question string, texts int) {
	hash := func(data []byte) string { sum := sha256.Sum256(data); return hex.EncodeToString(sum[:8]) }
	if _, p, err := mime.ParseMediaType(c.kind); err == nil && p["boundary"] != "" {
		form, err := multipart.NewReader(bytes.NewReader(c.body), p["boundary"]).ReadForm(64 << 20)
		if err != nil {
			return "", "", 0
		}
		for _, f := range form.File["file"] {
			if file, err := f.Open(); err == nil {
				data, _ := io.ReadAll(file)
				_ = file.Close()
				question += hash(data)
			}
		}
		return strings.Join(form.Value["model"], ""), question, 1
	}
	var in struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
	}
	_ = json.Unmarshal(c.body, &in) // the fake refuses invalid JSON
	var list []string
	if json.Unmarshal(in.Input, &list) != nil || len(list) == 0 {
		list = []string{""}
	}
	return in.Model, hash(c.body), len(list)
}

// Entries lists the ledger entries that arrived more than once, and counts the requests without
// an entry.
func Entries(all []Request) (twice []string, none int) {
	seen := map[string]int{}
	for _, r := range all {
		if r.Entry == "" {
			none++
			continue
		}
		if seen[r.Entry]++; seen[r.Entry] == 2 {
			twice = append(twice, r.Entry)
		}
	}
	slices.Sort(twice)
	return twice, none
}

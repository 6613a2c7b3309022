// Package vespatest is a strict fake of a Vespa application, for tests:
// /document/v1, /search/ and /application/v2 over HTTP/1.1 and h2c.
//
// It stores documents by the schemas of the application package that was deployed to it,
// and refuses or ignores what Vespa would refuse or ignore. It differs from Vespa:
//   - It reads only schemas and YQL of the forms that package vespa generates.
//   - It searches by brute force over a locked map, so each query sees a consistent snapshot.
//   - Words are split and folded by Unicode's rules, not by Vespa's linguistics.
//   - BM25 counts unpublished documents as Vespa does, but uses exact averages.
//   - Nearest neighbours, weakAnd, grouping, visiting, conditions, redundancy, several nodes
//     and query timeouts are not supported.
package vespatest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fault is the failure of one request.
type Fault struct {
	Status        int           // status of the response, without an effect; 0 = none
	RetryAfter    string        // header of that response
	Delay         time.Duration // before the request is handled
	Reset         bool          // the stream ends without a response; the request has no effect
	Lost          bool          // the request takes effect, then the stream ends without a response
	Truncate      bool          // the request takes effect, but only half of the response is sent
	IgnoredFields bool          // the request takes effect, and the response reports it as incomplete
}

// Server is the fake. Make one with New or Start.
type Server struct {
	mu       sync.RWMutex
	types    map[string]*docType
	docs     map[string]map[string]*document // by type and id
	deployed map[string][]byte
	session  int

	script   atomic.Pointer[func(r *http.Request) Fault]
	full     atomic.Bool
	queue    atomic.Int64
	inFlight atomic.Int64
	peak     atomic.Int64
	writes   atomic.Int64
}

// New makes an empty fake without an application.
func New() *Server {
	return &Server{types: map[string]*docType{}, docs: map[string]map[string]*document{}}
}

// Start serves a fake until the test ends.
func Start(tb testing.TB) (s *Server, url string) {
	tb.Helper()
	s = New()
	server := httptest.NewUnstartedServer(s)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	tb.Cleanup(server.Close)
	return s, server.URL
}

// Script sets the function that decides the fault of each request; nil = no faults. It is called
// by several goroutines.
func (s *Server) Script(decide func(r *http.Request) Fault) {
	if decide == nil {
		s.script.Store(nil)
		return
	}
	s.script.Store(&decide)
}

// Block blocks the feed: writes except removes and assigns get 507.
func (s *Server) Block(full bool) { s.full.Store(full) }

// Queue limits concurrent operations to n, further ones get 429; 0 = no limit.
func (s *Server) Queue(n int) { s.queue.Store(int64(n)) }

// Peak returns the highest number of concurrent document operations.
func (s *Server) Peak() int { return int(s.peak.Load()) }

// Writes returns the number of document operations that took effect.
func (s *Server) Writes() int { return int(s.writes.Load()) }

// Documents counts the stored documents of a type.
func (s *Server) Documents(docType string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.docs[docType])
}

// ServeHTTP serves the three APIs on one port.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := Fault{}
	if script := s.script.Load(); script != nil {
		fault = (*script)(r)
	}
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case fault.Reset:
		panic(http.ErrAbortHandler)
	case fault.Status != 0:
		if fault.RetryAfter != "" {
			w.Header().Set("Retry-After", fault.RetryAfter)
		}
		reply(w, fault.Status, map[string]any{"pathId": r.URL.Path, "message": "scripted fault"})
		return
	case fault.Lost || fault.Truncate || fault.IgnoredFields:
		recorded := httptest.NewRecorder()
		s.route(recorded, r)
		if fault.Lost {
			panic(http.ErrAbortHandler)
		}
		body := recorded.Body.Bytes()
		if fault.Truncate {
			body = body[:len(body)/2]
		}
		if fault.IgnoredFields {
			w.Header().Set("X-Vespa-Ignored-Fields", "true")
		}
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(body)
		return
	}
	s.route(w, r)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/document/v1/"):
		s.documentV1(w, r)
	case r.URL.Path == "/search/":
		s.search(w, r)
	case strings.HasPrefix(r.URL.Path, "/application/v2/tenant/default/"):
		s.application(w, r)
	case r.URL.Path == "/ApplicationStatus" || r.URL.Path == "/state/v1/health":
		reply(w, http.StatusOK, map[string]any{"status": map[string]any{"code": "up"}})
	default:
		reply(w, http.StatusNotFound, map[string]any{"message": "no handler for " + r.URL.Path})
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

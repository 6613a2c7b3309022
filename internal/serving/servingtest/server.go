// Package servingtest has a fake of a vLLM server that loads adapters at run time. Its
// routes, states, status codes and messages are those of vLLM's source (0.6 to 0.18).
// Unlike vLLM, it refuses unknown fields. It does not run a model.
package servingtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// Server is the fake. Set the fields before the first call.
type Server struct {
	URL          string // base URL that ends in /v1
	Base         string // model that it serves
	Root         string // its root, where the weights come from; empty = Base
	Key          string // bearer token; empty = not required
	Fixed        bool   // VLLM_ALLOW_RUNTIME_LORA_UPDATING is not set
	NoLoRA       bool   // --enable-lora is not set
	MaxRank      int    // --max-lora-rank
	Old          bool   // before load_inplace (0.14): a flat error body, 500 for what the engine refuses
	Unchecked    bool   // 0.6: reports an adapter as loaded without reading it
	OtherReplica bool   // several API servers: the next call reaches one without the adapter

	mu     sync.Mutex
	loaded map[string]string // name → folder
	calls  []string
	next   map[string]*answertest.Script
}

// New makes a server that the caller serves, for example in a process of its own.
func New() *Server {
	return &Server{Base: "test/base", MaxRank: 16, loaded: map[string]string{}, next: map[string]*answertest.Script{}}
}

// Start starts a server that ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := New()
	var site answertest.Site
	site.Serve(tb, s)
	s.URL = site.URL + "/v1"
	return s
}

// Next sets the responses to the next calls of a route, such as "completions".
func (s *Server) Next(route string, answers ...answertest.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next[route] == nil {
		s.next[route] = &answertest.Script{}
	}
	s.next[route].Next(answers...)
}

// Loaded is the adapters by name, with their folders.
func (s *Server) Loaded() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.loaded)
}

// Put loads an adapter as another client would.
func (s *Server) Put(name, dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded[name] = dir
}

// Calls lists the routes that were called, in order.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route := strings.TrimPrefix(r.URL.Path, "/v1/")
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.calls = append(s.calls, route)
	script := s.next[route]
	s.mu.Unlock()
	if s.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.Key {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized"})
		return
	}
	if script != nil {
		if scripted := script.Take(); scripted != nil {
			scripted(w)
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case route == "models" && r.Method == http.MethodGet:
		s.models(w)
	case r.Method != http.MethodPost:
		s.refuse(w, http.StatusNotFound, "Not Found", "Not Found")
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		s.refuse(w, http.StatusUnsupportedMediaType, "Bad Request", "Unsupported Media Type: Only 'application/json' is allowed")
	case route == "load_lora_adapter" && !s.Fixed:
		s.load(w, body)
	case route == "unload_lora_adapter" && !s.Fixed:
		s.unload(w, body)
	case route == "completions":
		s.complete(w, body)
	case route == "embeddings":
		s.embed(w, body)
	default:
		reply(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
	}
}

func (s *Server) models(w http.ResponseWriter) {
	root := s.Root
	if root == "" {
		root = s.Base
	}
	cards := []map[string]any{{"id": s.Base, "object": "model", "owned_by": "vllm", "root": root, "parent": nil}}
	if !s.OtherReplica {
		for _, name := range slices.Sorted(maps.Keys(s.loaded)) {
			cards = append(cards, map[string]any{"id": name, "object": "model", "owned_by": "vllm", "root": s.loaded[name], "parent": s.Base})
		}
	}
	reply(w, http.StatusOK, map[string]any{"object": "list", "data": cards})
}

func (s *Server) load(w http.ResponseWriter, body []byte) {
	var in struct {
		Name    string `json:"lora_name"`
		Path    string `json:"lora_path"`
		InPlace bool   `json:"load_inplace"`
	}
	if !s.decode(w, body, &in) {
		return
	}
	switch _, there := s.loaded[in.Name]; {
	case in.Name == "" || in.Path == "":
		s.refuse(w, http.StatusBadRequest, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided.")
		return
	case there && s.Old:
		s.refuse(w, http.StatusBadRequest, "InvalidUserInput", "The lora adapter '"+in.Name+"' has already been loaded.")
		return
	case there && !in.InPlace:
		s.refuse(w, http.StatusBadRequest, "InvalidUserInput", "The lora adapter '"+in.Name+
			"' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.")
		return
	}
	if why := s.engine(in.Name, in.Path); why != "" && !s.Unchecked {
		switch {
		case strings.Contains(why, "No adapter found"):
			s.refuse(w, http.StatusNotFound, "NotFoundError", why)
		case s.Old:
			s.refuse(w, http.StatusInternalServerError, "InternalServerError", why)
		default:
			s.refuse(w, http.StatusBadRequest, "BadRequestError", why)
		}
		return
	}
	s.loaded[in.Name] = in.Path
	_, _ = io.WriteString(w, "Success: LoRA adapter '"+in.Name+"' added successfully.")
}

// engine returns why an adapter cannot be used; empty = it can.
func (s *Server) engine(name, dir string) string {
	var a struct {
		R             int      `json:"r"`
		DoRA          bool     `json:"use_dora"`
		ModulesToSave []string `json:"modules_to_save"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
	switch {
	case s.NoLoRA:
		return "Call to add_lora method failed: LoRA is not enabled."
	case err != nil:
		return fmt.Sprintf("Loading lora %s failed: No adapter found for %s", name, dir)
	case json.Unmarshal(text, &a) != nil:
		return "Call to add_lora method failed: Expecting value: line 1 column 1 (char 0)"
	case len(a.ModulesToSave) > 0:
		return "Call to add_lora method failed: vLLM only supports modules_to_save being None."
	case a.DoRA:
		return "Call to add_lora method failed: vLLM does not yet support DoRA."
	case a.R > s.MaxRank:
		return fmt.Sprintf("Call to add_lora method failed: LoRA rank %d is greater than max_lora_rank %d.", a.R, s.MaxRank)
	}
	return ""
}

func (s *Server) unload(w http.ResponseWriter, body []byte) {
	var in struct {
		Name string `json:"lora_name"`
	}
	if !s.decode(w, body, &in) {
		return
	}
	if _, there := s.loaded[in.Name]; !there {
		s.refuse(w, http.StatusNotFound, "NotFoundError", "The lora adapter '"+in.Name+"' cannot be found.")
		return
	}
	delete(s.loaded, in.Name)
	_, _ = io.WriteString(w, "Success: LoRA adapter '"+in.Name+"' removed successfully.")
}

func (s *Server) complete(w http.ResponseWriter, body []byte) {
	var in struct {
		Model       string  `json:"model"`
		Prompt      string  `json:"prompt"`
		MaxTokens   int     `json:"max_tokens"`
		Temperature float64 `json:"temperature"`
		Stream      bool    `json:"stream"`
	}
	if !s.decode(w, body, &in) || !s.usable(w, in.Model) {
		return
	}
	if in.Prompt == "" || in.MaxTokens < 1 || in.Stream {
		s.refuse(w, http.StatusBadRequest, "BadRequestError", "prompt and max_tokens must be given")
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"id": "cmpl-1", "object": "text_completion", "model": in.Model,
		"choices": []any{map[string]any{"index": 0, "text": " there", "finish_reason": "length"}},
		"usage":   map[string]int{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
	})
}

func (s *Server) embed(w http.ResponseWriter, body []byte) {
	var in struct {
		Model string   `json:"model"`
		Input []string `json:"input"`
	}
	if !s.decode(w, body, &in) || !s.usable(w, in.Model) {
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"object": "list", "model": in.Model,
		"data":  []any{map[string]any{"index": 0, "object": "embedding", "embedding": []float64{0.6, 0.8}}},
		"usage": map[string]int{"prompt_tokens": 1, "total_tokens": 1},
	})
}

// usable reports whether the server can run a model, and responds with the error otherwise.
func (s *Server) usable(w http.ResponseWriter, model string) bool {
	dir, there := s.loaded[model]
	if model != s.Base && !there {
		s.refuse(w, http.StatusNotFound, "NotFoundError", "The model `"+model+"` does not exist.")
		return false
	}
	if there {
		if why := s.engine(model, dir); why != "" {
			s.refuse(w, http.StatusInternalServerError, "InternalServerError", why)
			return false
		}
	}
	return true
}

func (s *Server) decode(w http.ResponseWriter, body []byte, into any) bool {
	strict := json.NewDecoder(strings.NewReader(string(body)))
	strict.DisallowUnknownFields()
	if err := strict.Decode(into); err != nil {
		s.refuse(w, http.StatusBadRequest, "Bad Request", err.Error())
		return false
	}
	return true
}

func (s *Server) refuse(w http.ResponseWriter, status int, kind, text string) {
	if s.Old {
		reply(w, status, map[string]any{"object": "error", "message": text, "type": kind, "param": nil, "code": status})
		return
	}
	reply(w, status, map[string]any{"error": map[string]any{"message": text, "type": kind, "param": nil, "code": status}})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Package vlmtest has a fake describe service for tests: an HTTP server with OpenAI's chat
// protocol and that of Cogniverse's VLM service, which decodes the pictures that it gets and
// can simulate every known failure of such services. It computes captions from pixels and
// does not run a model.
package vlmtest

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// Fault is a kind of failure.
type Fault string

// The faults.
const (
	None       Fault = ""
	TooMany    Fault = "429"            // with Retry-After: 1
	Down       Fault = "503"            // without
	Broken     Fault = "500"            //
	BadRequest Fault = "400"            // this frame is refused
	Denied     Fault = "401"            //
	Reset      Fault = "reset"          // the connection breaks
	Cut        Fault = "cut"            // half the JSON
	Hang       Fault = "hang"           // never a response
	Drip       Fault = "drip"           // single bytes, forever
	OKError    Fault = "200 error"      // {"error": …} with status 200
	ErrorText  Fault = "Error: caption" // a caption that is an error
	Empty      Fault = "empty"          // an empty caption
	Page       Fault = "page"           // a proxy's HTML with status 200
	NoChoice   Fault = "no choice"      // a response without a choice
	Stray      Fault = "stray"          // batch: a frame that was not sent
	Lost       Fault = "lost"           // batch: one frame left out
	OneError   Fault = "one error"      // batch: one frame's description is an error
)

// Faults lists the faults of both protocols.
func Faults() []Fault {
	return []Fault{TooMany, Down, Broken, Reset, Cut, OKError, ErrorText, Empty, Page}
}

// Server is the fake.
type Server struct {
	answertest.Site // without a path; OpenAI's base is URL + "/v1"
	Models          []string

	mu       sync.Mutex
	script   []Fault              // of the next calls
	decide   func(call int) Fault // of every call, after the script
	latency  func() time.Duration // of each call; nil = none
	slots    chan struct{}        // nil = unlimited
	refuse   bool                 // beyond the slots: 429 instead of a queue
	refused  map[string]bool      // captions of pictures that make a batch fail with 400
	calls    int                  // that arrived
	open     int                  // that have no answer yet
	peak     int                  // maximum of open
	answered map[string]int       // captions given, by picture
	prompts  []string
}

// Start starts a server that ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{Models: []string{"test/vlm", "Qwen/Qwen2-VL-7B-Instruct"}, answered: map[string]int{}}
	s.Serve(tb, s)
	return s
}

// Next makes the next calls fail in this order.
func (s *Server) Next(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Decide sets the function that returns the fault of each call; call counts from 1.
func (s *Server) Decide(f func(call int) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide = f
}

// Work limits the concurrent calls and sets their latency. Further calls wait or are
// refused.
func (s *Server) Work(slots int, latency func() time.Duration, refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots, s.latency, s.refuse = make(chan struct{}, slots), latency, refuse
}

// Answered returns the number of captions for each picture.
func (s *Server) Answered() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.answered)
}

// Calls returns the number of received calls.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Peak returns how many calls were open at once, at most.
func (s *Server) Peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// Prompts lists the received prompts.
func (s *Server) Prompts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.prompts)
}

// Caption is the caption of a picture: its size and its mean colour.
func Caption(picture []byte) (string, error) {
	m, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		return "", err
	}
	var r, g, b, n uint64
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y += 4 {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x += 4 {
			cr, cg, cb, _ := m.At(x, y).RGBA()
			r, g, b, n = r+uint64(cr>>8), g+uint64(cg>>8), b+uint64(cb>>8), n+1
		}
	}
	return fmt.Sprintf("A picture of %d by %d pixels, red %d, green %d, blue %d.",
		m.Bounds().Dx(), m.Bounds().Dy(), r/n, g/n, b/n), nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handlers := map[string]func(http.ResponseWriter, *http.Request, Fault){
		"/v1/chat/completions": s.chat, "/generate_description": s.single, "/upload_and_process_frames": s.many,
	}
	handle := handlers[r.URL.Path]
	switch {
	case r.URL.Path == "/v1/models":
		s.models(w)
		return
	case handle == nil:
		http.Error(w, `{"detail":"Not Found"}`, http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		http.Error(w, `{"detail":"Method Not Allowed"}`, http.StatusMethodNotAllowed)
		return
	}
	fault, slots, latency, refuse := s.arrive()
	defer s.leave()
	if slots != nil {
		if refuse {
			select {
			case slots <- struct{}{}:
			default:
				fault, slots = TooMany, nil
			}
		} else {
			slots <- struct{}{}
		}
	}
	if slots != nil {
		defer func() { <-slots }()
		select {
		case <-time.After(latency()):
		case <-r.Context().Done():
			return
		}
	}
	if !s.fail(w, r, fault) {
		handle(w, r, fault)
	}
}

func (s *Server) arrive() (Fault, chan struct{}, func() time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.open++
	s.peak = max(s.peak, s.open)
	fault := None
	if len(s.script) > 0 {
		fault, s.script = s.script[0], s.script[1:]
	} else if s.decide != nil {
		fault = s.decide(s.calls)
	}
	return fault, s.slots, s.latency, s.refuse
}

// fail handles the faults that do not depend on the protocol.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f Fault) bool {
	status := map[Fault]int{TooMany: 429, Down: 503, Broken: 500, BadRequest: 400, Denied: 401}
	switch {
	case status[f] != 0:
		if f == TooMany {
			w.Header().Set("Retry-After", "1")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status[f])
		_, _ = io.WriteString(w, `{"error":{"message":"scripted `+string(f)+`","type":"test"}}`)
	case f == Reset:
		panic(http.ErrAbortHandler)
	case f == Cut:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"A pic`)
	case f == Hang:
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice when the client disconnects
		<-r.Context().Done()
	case f == Drip:
		for {
			if _, err := io.WriteString(w, " "); err != nil {
				return true
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return true
			case <-time.After(20 * time.Millisecond):
			}
		}
	case f == OKError:
		_, _ = io.WriteString(w, `{"error":"Remote frame file not found: /x","request_id":"1"}`)
	case f == Page:
		_, _ = io.WriteString(w, `<html><body>502 Bad Gateway</body></html>`)
	default:
		return false
	}
	return true
}

func (s *Server) models(w http.ResponseWriter) {
	type model struct {
		ID string `json:"id"`
	}
	list := []model{}
	for _, m := range s.Models {
		list = append(list, model{m})
	}
	write(w, map[string]any{"object": "list", "data": list})
}

// see decodes a picture and counts the answer.
func (s *Server) see(picture []byte, f Fault) (string, error) {
	text, err := Caption(picture)
	switch {
	case err != nil:
		return "", err
	case f == ErrorText:
		return "Error: Empty description generated", nil
	case f == Empty:
		return "  \n", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered[text]++
	return text, nil
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request, f Fault) {
	var in struct {
		Model       string   `json:"model"`
		Temperature *float64 `json:"temperature"`
		Messages    []struct {
			Content []struct {
				Type  string `json:"type"`
				Text  string `json:"text"`
				Image struct {
					URL string `json:"url"`
				} `json:"image_url"`
			} `json:"content"`
		} `json:"messages"`
		Format *struct {
			Type string `json:"type"`
		} `json:"response_format"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Messages) != 1 || in.Temperature == nil {
		http.Error(w, `{"error":{"message":"bad request"}}`, http.StatusBadRequest)
		return
	}
	if !slices.Contains(s.Models, in.Model) {
		http.Error(w, `{"error":{"message":"The model does not exist"}}`, http.StatusNotFound)
		return
	}
	var picture []byte
	for _, part := range in.Messages[0].Content {
		if data, ok := strings.CutPrefix(part.Image.URL, "data:image/jpeg;base64,"); ok {
			picture, _ = base64.StdEncoding.DecodeString(data)
		}
		if part.Type == "text" {
			s.mu.Lock()
			s.prompts = append(s.prompts, part.Text)
			s.mu.Unlock()
		}
	}
	text, err := s.see(picture, f)
	if err != nil {
		http.Error(w, `{"error":{"message":"cannot identify image"}}`, http.StatusBadRequest)
		return
	}
	if in.Format != nil && in.Format.Type == "json_schema" {
		data, _ := json.Marshal(map[string]any{"caption": text, "on_screen_text": "EXIT", "objects": []string{"door", " door"}, "actions": []string{}})
		text = string(data)
	}
	choices := []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": text}}}
	if f == NoChoice {
		choices = []any{}
	}
	write(w, map[string]any{
		"id": "1", "object": "chat.completion", "model": in.Model, "choices": choices,
		"usage": map[string]int{"prompt_tokens": 400, "completion_tokens": 20, "total_tokens": 420},
	})
}

func (s *Server) single(w http.ResponseWriter, r *http.Request, f Fault) {
	var in struct {
		Frame  string `json:"frame_base64"`
		Prompt string `json:"prompt"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, `{"detail":"bad request"}`, http.StatusUnprocessableEntity)
		return
	}
	s.mu.Lock()
	s.prompts = append(s.prompts, in.Prompt)
	s.mu.Unlock()
	picture, _ := base64.StdEncoding.DecodeString(in.Frame)
	text, err := s.see(picture, f)
	if err != nil { // like the real service: an error with status 200
		write(w, map[string]any{"error": err.Error(), "request_id": "1"})
		return
	}
	write(w, map[string]any{"description": text, "request_id": "1", "duration_seconds": 0.1})
}

func (s *Server) many(w http.ResponseWriter, r *http.Request, f Fault) {
	var in struct {
		Zip     string            `json:"zip_data"`
		Mapping map[string]string `json:"frame_mapping"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, `{"detail":"bad request"}`, http.StatusUnprocessableEntity)
		return
	}
	data, _ := base64.StdEncoding.DecodeString(in.Zip)
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		write(w, map[string]any{"error": "File is not a zip file", "upload_id": "1"})
		return
	}
	descriptions := map[string]string{}
	if slices.ContainsFunc(archive.File, func(f *zip.File) bool { return s.refuses(unzipped(f)) }) {
		http.Error(w, `{"detail":"cannot identify image"}`, http.StatusBadRequest)
		return
	}
	for i, file := range archive.File {
		key, mapped := in.Mapping[file.Name]
		if !mapped || strings.Contains(file.Name, "/") || f == Lost && i == 0 {
			continue
		}
		if descriptions[key], err = s.see(unzipped(file), f); err != nil || f == OneError && i == 0 {
			descriptions[key] = "Error: Error processing " + file.Name
		}
	}
	if f == Stray {
		descriptions["frame-9999"] = "A frame of another caller."
	}
	write(w, map[string]any{
		"descriptions": descriptions, "upload_id": "1", "processed_frames": len(descriptions), "duration_seconds": 0.1,
	})
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

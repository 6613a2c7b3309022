// Package asrtest has a transcription service for tests. It measures the sound
// it is sent and says so in words; it recognizes no speech.
package asrtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// Server is the service.
type Server struct {
	answertest.Script
	answertest.Site // OpenAI's base is URL + "/v1"
	Models          []string

	mu       sync.Mutex
	answered int
}

// Start starts a server that ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{Models: []string{"test/asr", "whisper-large-v3", "Systran/faster-whisper-base"}}
	s.Serve(tb, s)
	return s
}

// Answered counts the transcripts given.
func (s *Server) Answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/models":
		list := []map[string]string{}
		for _, m := range s.Models {
			list = append(list, map[string]string{"id": m})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": list})
		return
	case "/v1/audio/transcriptions":
	default:
		http.NotFound(w, r)
		return
	}
	scripted := s.Take()
	file, header, err := r.FormFile("file")
	if err != nil {
		http.Error(w, `{"error":{"message":"no file"}}`, http.StatusBadRequest)
		return
	}
	defer file.Close()
	if scripted != nil {
		scripted(w)
		return
	}
	data, _ := io.ReadAll(file)
	switch {
	case !slices.Contains(s.Models, r.FormValue("model")):
		http.Error(w, `{"error":{"message":"The model does not exist"}}`, http.StatusNotFound)
	case len(data) < 4 || string(data[:4]) != "fLaC" || header.Filename != "audio.flac":
		http.Error(w, `{"error":{"message":"Invalid file format."}}`, http.StatusBadRequest)
	default:
		s.mu.Lock()
		s.answered++
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{
			"task": "transcribe", "language": "english", "duration": 6.0, "text": "one two",
			"segments": []map[string]any{
				{"id": 0, "start": 0.0, "end": 2.5, "text": fmt.Sprintf(" The sound is %d bytes long.", len(data))},
				{"id": 1, "start": 2.5, "end": 9999.0, "text": " Thanks for watching lanterns."},
			},
		})
	}
}

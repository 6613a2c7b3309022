// Package answertest has the parts that the fakes of model servers share: scripted responses,
// and a server that can stop and restart.
package answertest

import (
	"io"
	"net/http"
	"sync"
)

// Answer writes one answer.
type Answer = func(w http.ResponseWriter)

// Script is a queue of answers. The zero value is empty.
type Script struct {
	mu   sync.Mutex
	next []Answer
}

// Next sets the answers to the next calls, in order.
func (s *Script) Next(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, answers...)
}

// Take returns the answer of this call; nil = the server's own.
func (s *Script) Take() Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.next) == 0 {
		return nil
	}
	first := s.next[0]
	s.next = s.next[1:]
	return first
}

// Status answers with a status, a body, and headers as name and value.
func Status(code int, body string, header ...string) Answer {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// Reset breaks the connection.
func Reset(http.ResponseWriter) { panic(http.ErrAbortHandler) }

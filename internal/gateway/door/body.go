package door

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// codeSlow is that of a request which was cut off because its body arrived too slowly.
const codeSlow = "slow_request"

// A body and an answer must move at least at slowRate, after a start of slowStart. A client that
// sends or takes a byte at a time would hold its place for hours.
const (
	slowStart = 30 * time.Second
	slowRate  = 16 << 10 // bytes a second
	stall     = time.Minute
)

// body limits the body of a request: its size and its slowness. most 0 = the configured size. end is
// called when the request has ended.
func (q *request) body(most int64) (end func() bool) {
	if most == 0 {
		most = q.door.options.Config.MaxBody
	}
	control := http.NewResponseController(q.w)
	s := &slow{ReadCloser: http.MaxBytesReader(q.w, q.r.Body, most), control: control, began: time.Now()}
	q.r.Body = s
	ctx := q.r.Context()
	return context.AfterFunc(ctx, func() { s.cut(context.Cause(ctx)) })
}

// slow sets a deadline for each read.
type slow struct {
	io.ReadCloser
	control *http.ResponseController
	began   time.Time
	taken   int64

	mu    sync.Mutex
	ended error // why nothing more is read
}

// cut ends a read that waits for the client.
func (s *slow) cut(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = cause
	_ = s.control.SetReadDeadline(time.Now()) // else it ends with the connection
}

// allow sets the time until which a read may wait, unless the request was cut.
func (s *slow) allow(until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	if err := s.control.SetReadDeadline(until); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func (s *slow) stopped() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *slow) Read(p []byte) (int, error) {
	allowed := slowStart + time.Duration(float64(s.taken)/slowRate*float64(time.Second))
	if err := s.allow(s.began.Add(allowed)); err != nil {
		return 0, err
	}
	n, err := s.ReadCloser.Read(p)
	s.taken += int64(n)
	if ended := s.stopped(); err != nil && err != io.EOF && ended != nil {
		return n, ended
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, &api.Error{Status: http.StatusRequestTimeout, Code: codeSlow, Message: "the request arrives too slowly, so it was cut off", Err: err}
	}
	if err == io.EOF { // later reads of the connection only notice that the client has gone
		_ = s.allow(time.Time{}) // fails as the one before, which was reported
	}
	return n, err
}

// writer notes what was answered.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	bytes   int64
	wrote   bool
	broken  bool
}

func newWriter(w http.ResponseWriter) *writer {
	return &writer{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if !w.wrote && status >= http.StatusOK {
		w.wrote, w.status = true, status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if err := w.control.SetWriteDeadline(time.Now().Add(stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

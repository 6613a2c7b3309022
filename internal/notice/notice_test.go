package notice

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// service is a metadata service as the cloud documents it.
type service struct {
	mu     sync.Mutex
	body   string // empty = no notice
	status int    // of the answers to notices; 0 = as documented
	tokens int    // that AWS has issued
	asked  int
}

func (s *service) set(status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

func (s *service) answer(w http.ResponseWriter, none int, otherwise string) {
	s.asked++
	switch {
	case s.status != 0:
		w.WriteHeader(s.status)
	case s.body != "":
		_, _ = w.Write([]byte(s.body))
	default:
		w.WriteHeader(none)
		_, _ = w.Write([]byte(otherwise))
	}
}

// aws is the instance metadata service, version 2. Each token serves three requests here.
func (s *service) aws(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "PUT /latest/api/token":
		if r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") == "" || r.Header.Get("X-Forwarded-For") != "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.tokens++
		_, _ = w.Write([]byte(strings.Repeat("T", s.tokens)))
	case "GET /latest/meta-data/spot/instance-action":
		if r.Header.Get("X-aws-ec2-metadata-token") != strings.Repeat("T", s.tokens) || s.asked == 3*s.tokens {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.answer(w, http.StatusNotFound, "Not Found")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *service) gcp(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Path != "/computeMetadata/v1/instance/preempted" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("Metadata-Flavor", "Google")
	s.answer(w, http.StatusOK, "FALSE")
}

func (s *service) azure(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Header.Get("Metadata") != "true" || r.URL.Query().Get("api-version") == "":
		w.WriteHeader(http.StatusBadRequest)
	case r.URL.Path == "/metadata/instance/compute/name":
		_, _ = w.Write([]byte("gpu_3"))
	default:
		s.answer(w, http.StatusOK, `{"DocumentIncarnation":1,"Events":[]}`)
	}
}

func (s *service) own(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer(w, http.StatusNotFound, "")
}

const (
	awsSays   = `{"action": "terminate", "time": "2026-11-29T20:02:00Z"}`
	azureSays = `{"DocumentIncarnation":2,"Events":[
		{"EventId":"1","EventStatus":"Scheduled","EventType":"Freeze","ResourceType":"VirtualMachine","Resources":["gpu_3"],"NotBefore":"Sun, 29 Nov 2026 20:00:00 GMT"},
		{"EventId":"2","EventStatus":"Scheduled","EventType":"Preempt","ResourceType":"VirtualMachine","Resources":["gpu_1","gpu_2"],"NotBefore":"Sun, 29 Nov 2026 20:00:00 GMT"},
		{"EventId":"3","EventStatus":"Scheduled","EventType":"Reboot","ResourceType":"VirtualMachine","Resources":["GPU_3"],"NotBefore":"Sun, 29 Nov 2026 20:30:00 GMT"},
		{"EventId":"4","EventStatus":"Scheduled","EventType":"Preempt","ResourceType":"VirtualMachine","Resources":["gpu_1","gpu_3"],"NotBefore":"Sun, 29 Nov 2026 20:02:00 GMT"}]}`
)

// TestClouds asks services that behave as their clouds document it: nothing is announced at
// first, the service fails for a while, and then there is a notice.
func TestClouds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)
	for from, c := range map[string]struct {
		serve func(*service) http.HandlerFunc
		says  string
		want  Notice
	}{
		"aws":     {func(s *service) http.HandlerFunc { return s.aws }, awsSays, Notice{"aws", "terminate", now.Add(2 * time.Minute)}},
		"gcp":     {func(s *service) http.HandlerFunc { return s.gcp }, "TRUE", Notice{"gcp", "preempted", now.Add(30 * time.Second)}},
		"azure":   {func(s *service) http.HandlerFunc { return s.azure }, azureSays, Notice{"azure", "Preempt", now.Add(2 * time.Minute)}},
		"http://": {func(s *service) http.HandlerFunc { return s.own }, "2026-11-29T20:02:00Z", Notice{"", "", now.Add(2 * time.Minute)}},
	} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			s := &service{}
			server := httptest.NewServer(c.serve(s))
			t.Cleanup(server.Close)
			if from == "http://" {
				from, c.want.From = server.URL, server.URL
			}
			w := New(Options{From: from, Base: server.URL, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
			require.NoError(t, w.First(t.Context()))
			for range 10 { // AWS issues several tokens
				n, err := w.ask(t.Context())
				require.NoError(t, err)
				require.Nil(t, n)
			}
			for _, status := range []int{http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusUnauthorized} {
				s.set(status, "")
				_, err := w.ask(t.Context())
				require.Error(t, err)
				require.Equal(t, fault.Transport, fault.ClassOf(err))
				require.Error(t, w.First(t.Context()), "a worker does not start without notices")
			}
			s.set(0, c.says)
			n, err := w.ask(t.Context())
			require.NoError(t, err)
			require.Equal(t, &c.want, n)
			require.ErrorContains(t, w.First(t.Context()), "another host")
			if strings.Contains(from, "://") {
				return // any text is a notice
			}
			s.set(0, "<html>")
			_, err = w.ask(t.Context())
			require.Error(t, err, "text that cannot be read is no notice")
			server.Close()
			_, err = w.ask(t.Context())
			require.Error(t, err)
		})
	}
}

// TestFile: the file is a notice whatever it holds.
func TestFile(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 20, 2, 0, 0, time.UTC)
	for text, want := range map[string]Notice{
		"": {}, "2026-11-29T20:02:00Z\n": {At: at}, awsSays: {Action: "terminate", At: at},
		"maintenance of rack 7\n": {Action: "maintenance of rack 7"}, "\x1b[31mred": {Action: "red"},
	} {
		w := New(Options{From: filepath.Join(t.TempDir(), "notice")})
		require.NoError(t, w.First(t.Context()))
		require.NoError(t, os.WriteFile(w.o.From, []byte(text), 0o600))
		n, err := w.ask(t.Context())
		require.NoError(t, err)
		want.From = w.o.From
		if text == "\x1b[31mred" {
			require.NotContains(t, n.Action, "\x1b")
			continue
		}
		require.Equal(t, &want, n)
	}
}

// TestWait asks again after failures, and ends with its context.
func TestWait(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(dir, "folder")
		require.NoError(t, os.Mkdir(folder, 0o700))
		w := New(Options{From: filepath.Join(folder, "notice"), Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, os.Mkdir(w.o.From, 0o700)) // reading it fails
		began := time.Now()
		go func() {
			time.Sleep(12 * time.Second) //nolint:forbidigo // of a bubble
			_ = os.Remove(w.o.From)
			_ = os.WriteFile(w.o.From, nil, 0o600)
		}()
		n, err := w.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, w.o.From, n.String())
		require.Equal(t, 15*time.Second, time.Since(began))

		require.NoError(t, os.Remove(w.o.From))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = w.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

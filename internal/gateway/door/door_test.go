package door_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/door"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
)

// log is what the door has logged.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// finder knows keys by their secret.
type finder map[string]keys.Key

func (f finder) Find(_ context.Context, secret string) (keys.Key, error) {
	if k, ok := f[secret]; ok {
		return k, nil
	}
	return keys.Key{}, keys.ErrUnknown
}

// house is an open door with some routes.
type house struct {
	*door.Door
	log     *log
	held    chan string // ids of requests that are held
	release chan struct{}
}

func open(t *testing.T, s frontdoor.Section, known finder) *house {
	t.Helper()
	return openAt(t, s, known, nil)
}

// noon is a time at which no limit fills up again, however long a test takes.
func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

// openAt is open at a time of the test; nil = the real one.
func openAt(t *testing.T, s frontdoor.Section, known finder, now func() time.Time) *house {
	t.Helper()
	s.Check(func(key, text, fix string) { t.Errorf("%s: %s, %s", key, text, fix) })
	h := &house{log: &log{}, held: make(chan string, 100), release: make(chan struct{})}
	who := func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
		api.WriteJSON(w, http.StatusOK, map[string]string{"tenant": string(c.Tenant), "key": c.Key, "listener": c.Listener, "model": c.Model, "name": r.PathValue("name")})
		return nil
	}
	h.Door = door.New(door.Options{
		Config: s.Complete(), Keys: known, Now: now, Log: slog.New(slog.NewJSONHandler(h.log, nil)),
		Routes: []api.Route{
			{Method: "GET", Path: "/who/{name}", Name: "who", Handle: who},
			{Method: "POST", Path: "/who/{name}", Name: "post", Handle: who},
			{Method: "GET", Path: "/local", Name: "local", Handle: func(w http.ResponseWriter, _ *http.Request, c api.Caller) error {
				_, err := fmt.Fprint(w, c.Local)
				return err
			}},
			{Method: "GET", Path: "/public", Name: "public", Public: true, Handle: who},
			{Method: "POST", Path: "/echo", Name: "echo", Handle: func(w http.ResponseWriter, r *http.Request, _ api.Caller) error {
				data, err := io.ReadAll(r.Body)
				if err != nil {
					return err
				}
				_, err = w.Write(data)
				return err
			}},
			{Method: "GET", Path: "/fail/{name}", Name: "fail", Handle: func(_ http.ResponseWriter, r *http.Request, _ api.Caller) error {
				return api.Fail(http.StatusNotFound, "not_found", "there is no "+r.PathValue("name"))
			}},
			{Method: "GET", Path: "/panic", Name: "panic", Handle: func(http.ResponseWriter, *http.Request, api.Caller) error { panic("boom") }},
			{Method: "GET", Path: "/cut", Name: "cut", Handle: func(w http.ResponseWriter, _ *http.Request, _ api.Caller) error {
				_, _ = w.Write([]byte("half"))
				return errors.New("the rest is lost")
			}},
			{Method: "GET", Path: "/hold", Name: "hold", Handle: func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
				h.held <- c.Request
				select {
				case <-h.release:
					_, err := w.Write([]byte("released"))
					return err
				case <-r.Context().Done():
					return context.Cause(r.Context())
				}
			}},
			{Method: "GET", Path: "/fault/{class}", Name: "fault", Handle: func(_ http.ResponseWriter, r *http.Request, _ api.Caller) error {
				return fault.New(fault.Class(r.PathValue("class")), "do", "it", "because")
			}},
		},
	})
	require.NoError(t, h.Listen(t.Context(), func(err error) { t.Error(err) }))
	t.Cleanup(func() { require.NoError(t, h.Shutdown(0)) })
	return h
}

// answer is an answer without its body.
type answer struct {
	StatusCode int
	Header     http.Header
}

// ask makes a request. header are pairs; Host is one of them.
func (h *house) ask(t *testing.T, listener, method, path, body string, header ...string) (answer, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addresses()[listener]+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	got, err := client.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	data, _ := io.ReadAll(got.Body)
	return answer{got.StatusCode, got.Header}, string(data)
}

func failure(t *testing.T, text string) api.Body {
	t.Helper()
	var b api.Body
	require.NoError(t, json.Unmarshal([]byte(text), &b), text)
	require.Equal(t, b.Error.Message, b.Detail)
	return b
}

const here = "127.0.0.1:0"

// TestKeysAndListeners: the tenant comes from the key or the listener.
func TestKeysAndListeners(t *testing.T) {
	t.Parallel()
	acme, other := keys.New(), keys.New()
	h := open(t, frontdoor.Section{Listeners: map[string]frontdoor.Listener{
		"keyed": {Address: here}, "bound": {Address: "127.0.0.1:0", Host: "qwen.example.org", Tenant: "acme", Model: "qwen"},
	}}, finder{acme: {ID: "key_A", Tenant: "acme"}, other: {ID: "key_B", Tenant: "uni:vision"}})
	bearer := func(secret string) []string { return []string{"Authorization", "Bearer " + secret} }

	got, body := h.ask(t, "keyed", "GET", "/who/ann", "", bearer(other)...)
	require.Equal(t, http.StatusOK, got.StatusCode, body)
	require.JSONEq(t, `{"tenant":"uni:vision","key":"key_B","listener":"keyed","model":"","name":"ann"}`, body)
	require.NotEmpty(t, got.Header.Get("X-Request-Id"))

	for name, header := range map[string][]string{
		"none": nil, "empty": bearer(""), "unknown": bearer(keys.New()), "foreign": bearer("sk-1234567890"),
		"two": append(bearer(acme), bearer(other)...), "another scheme": {"Authorization", "Basic " + acme}, "a tenant of its own": {"X-Tenant", "acme"},
	} {
		got, body = h.ask(t, "keyed", "GET", "/who/ann?tenant=acme", "", header...)
		require.Equal(t, http.StatusUnauthorized, got.StatusCode, name)
		require.Equal(t, "Bearer", got.Header.Get("WWW-Authenticate"))
		require.Equal(t, "invalid_api_key", failure(t, body).Error.Code)
	}

	host := []string{"Host", "QWEN.example.org:80"}
	for name, header := range map[string][]string{"no key": nil, "a key that clients invent": bearer("EMPTY"), "its own key": bearer(acme)} {
		got, body = h.ask(t, "bound", "GET", "/who/ann", "", append(header, host...)...)
		require.Equal(t, http.StatusOK, got.StatusCode, name)
		require.Contains(t, body, `"tenant":"acme"`, name)
		require.Contains(t, body, `"model":"qwen"`, name)
	}
	got, body = h.ask(t, "bound", "GET", "/who/ann", "", append(bearer(other), host...)...)
	require.Equal(t, http.StatusForbidden, got.StatusCode)
	require.Equal(t, "wrong_tenant", failure(t, body).Error.Code)
	got, _ = h.ask(t, "bound", "GET", "/who/ann", "", append(bearer(keys.New()), host...)...)
	require.Equal(t, http.StatusUnauthorized, got.StatusCode, "a revoked key of ours opens nothing")
	got, _ = h.ask(t, "bound", "GET", "/who/ann", "", "Host", "other.example.org")
	require.Equal(t, http.StatusUnauthorized, got.StatusCode, "it is a request of the other listener of the address")

	text := h.log.String()
	for _, secret := range []string{acme, other, "sk-1234567890"} {
		require.NotContains(t, text, secret)
	}
	require.Contains(t, text, `"key":"key_B"`)
	require.Contains(t, text, `"msg":"request refused"`)
}

// TestHosts: a request for a host that no listener serves is misdirected.
func TestHosts(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Listeners: map[string]frontdoor.Listener{"a": {Address: here, Host: "a.example.org"}}}, nil)
	got, body := h.ask(t, "a", "GET", "/who/ann", "", "Host", "b.example.org")
	require.Equal(t, http.StatusMisdirectedRequest, got.StatusCode)
	require.Equal(t, "unknown_host", failure(t, body).Error.Code)
}

// TestBrowsers: a listener without keys on this host is not open to pages of other sites.
func TestBrowsers(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here}, nil)
	got, body := h.ask(t, "main", "GET", "/who/ann", "")
	require.Equal(t, http.StatusOK, got.StatusCode, body)
	require.Contains(t, body, `"tenant":"default"`)
	got, body = h.ask(t, "main", "GET", "/who/ann", "", "Host", "rebound.example.org")
	require.Equal(t, http.StatusForbidden, got.StatusCode)
	require.Equal(t, "foreign_host", failure(t, body).Error.Code)
	got, body = h.ask(t, "main", "POST", "/who/ann", "", "Origin", "https://evil.example.org", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, got.StatusCode)
	require.Equal(t, "foreign_origin", failure(t, body).Error.Code)
	got, _ = h.ask(t, "main", "POST", "/who/ann", "", "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusOK, got.StatusCode)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here, MaxBody: 10}, nil)
	got, body := h.ask(t, "main", "GET", "/nowhere", "")
	require.Equal(t, http.StatusNotFound, got.StatusCode)
	require.Equal(t, "not_found", failure(t, body).Error.Code)
	got, _ = h.ask(t, "main", "DELETE", "/who/ann", "")
	require.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
	require.Equal(t, "GET, POST", got.Header.Get("Allow"))
	got, body = h.ask(t, "main", "POST", "/echo", "0123456789")
	require.Equal(t, http.StatusOK, got.StatusCode)
	require.Equal(t, "0123456789", body)
	got, body = h.ask(t, "main", "POST", "/echo", "0123456789a")
	require.Equal(t, http.StatusRequestEntityTooLarge, got.StatusCode)
	require.Equal(t, "body_too_large", failure(t, body).Error.Code)
	for class, status := range map[fault.Class]int{
		fault.Input: 400, fault.Auth: 502, fault.Overload: 503, fault.Capacity: 503, fault.Transport: 502, fault.Preempted: 503, fault.Budget: 429, "": 500,
	} {
		got, body = h.ask(t, "main", "GET", "/fault/"+string(class), "")
		if class == "" {
			require.Equal(t, http.StatusNotFound, got.StatusCode)
			continue
		}
		require.Equal(t, status, got.StatusCode, class)
		require.Equal(t, status == 503, got.Header.Get("Retry-After") != "", class)
		require.Contains(t, failure(t, body).Error.Message, "because")
	}
	got, body = h.ask(t, "main", "GET", "/panic", "", "X-Request-Id", "mine-1")
	require.Equal(t, http.StatusInternalServerError, got.StatusCode)
	require.NotContains(t, body, "boom")
	require.Equal(t, "mine-1", got.Header.Get("X-Request-Id"))
	require.Contains(t, h.log.String(), "boom")
	got, _ = h.ask(t, "main", "GET", "/public", "", "X-Request-Id", "a b")
	require.NotEqual(t, "a b", got.Header.Get("X-Request-Id"))
}

// TestCutAnswer: an answer that fails after its first byte breaks off, so no client takes it for
// whole.
func TestCutAnswer(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here}, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Addresses()["main"]+"/cut", nil)
	require.NoError(t, err)
	got, err := http.DefaultClient.Do(r)
	if err == nil {
		defer got.Body.Close()
		_, err = io.ReadAll(got.Body)
	}
	require.Error(t, err)
}

// TestLimits: the requests of one tenant do not keep others out.
func TestLimits(t *testing.T) {
	t.Parallel()
	a, b := keys.New(), keys.New()
	h := openAt(t, frontdoor.Section{MaxInFlight: 1, PerMinute: 3, Listeners: map[string]frontdoor.Listener{"keyed": {Address: here}}},
		finder{a: {ID: "a", Tenant: "a"}, b: {ID: "b", Tenant: "b"}}, noon)
	var wg sync.WaitGroup
	wg.Go(func() {
		got, _ := h.ask(t, "keyed", "GET", "/hold", "", "Authorization", "Bearer "+a)
		if got.StatusCode != http.StatusOK {
			t.Errorf("status %d", got.StatusCode)
		}
	})
	<-h.held
	got, body := h.ask(t, "keyed", "GET", "/who/x", "", "Authorization", "Bearer "+a)
	require.Equal(t, http.StatusTooManyRequests, got.StatusCode)
	require.Equal(t, "1", got.Header.Get("Retry-After"))
	require.Contains(t, failure(t, body).Error.Message, "1 requests in flight")
	got, _ = h.ask(t, "keyed", "GET", "/who/x", "", "Authorization", "Bearer "+b)
	require.Equal(t, http.StatusOK, got.StatusCode)
	close(h.release)
	wg.Wait()
	for i := range 3 {
		got, _ = h.ask(t, "keyed", "GET", "/who/x", "", "Authorization", "Bearer "+b)
		want := http.StatusOK
		if i == 2 {
			want = http.StatusTooManyRequests
		}
		require.Equal(t, want, got.StatusCode)
	}
	require.NotEmpty(t, got.Header.Get("Retry-After"))
}

// TestShutdown: requests in flight end by themselves, or are cut after the grace period.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, released := range map[string]bool{"ends": true, "is cut": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, frontdoor.Section{Address: here}, nil)
			status := make(chan int, 1)
			go func() {
				got, _ := h.ask(t, "main", "GET", "/hold", "")
				status <- got.StatusCode
			}()
			<-h.held
			grace := time.Millisecond
			if released {
				grace = time.Minute
				close(h.release)
			}
			require.NoError(t, h.Shutdown(grace))
			require.Equal(t, map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[released], <-status)
		})
	}
}

// TestHTTP2 serves HTTP/2 without TLS, as proxies in front speak it.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here}, nil)
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.Addresses()["main"]+"/echo", strings.NewReader("hello"))
	require.NoError(t, err)
	got, err := (&http.Client{Transport: transport}).Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	require.Equal(t, 2, got.ProtoMajor)
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.Equal(t, "hello", string(text))
}

// TestEndlessHeaders: headers without an end are refused before they fill the memory.
func TestEndlessHeaders(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here}, nil)
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.Addresses()["main"])
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprint(c, "GET /public HTTP/1.1\r\nHost: localhost\r\n")
	require.NoError(t, err)
	sent := 0
	for i := 0; sent < 1<<20; i++ {
		n, err := fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("a", 1000))
		sent += n
		if err != nil {
			break
		}
	}
	got, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		defer got.Body.Close()
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, got.StatusCode)
	}
}

func TestAddressTaken(t *testing.T) {
	t.Parallel()
	h := open(t, frontdoor.Section{Address: here}, nil)
	u := url.URL{Host: h.Addresses()["main"]}
	d := door.New(door.Options{Config: frontdoor.Section{Address: u.Host}.Complete(), Log: slog.New(slog.DiscardHandler)})
	err := d.Listen(t.Context(), func(error) {})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "COGFLOW_GATEWAY_ADDRESS")
}

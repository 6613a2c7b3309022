package answer_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/money"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func client(o answer.Options) *answer.Client {
	o.Op = "ask"
	return answer.New(o)
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		class  fault.Class
		text   string
	}{
		"bad request": {400, `{"error":{"message":"no"}}`, fault.Input, `status 400: "no"`},
		"too large":   {413, `{"detail":"too large"}`, fault.Input, "too large"},
		"moved":       {301, ``, fault.Input, "301"},
		"key":         {401, `{"error":{"message":"Incorrect API key provided: sk-topsecret"}}`, fault.Auth, "check MY_KEY"},
		"no money":    {429, `{"error":{"code":"insufficient_quota","message":"You exceeded your quota"}}`, fault.Auth, "insufficient_quota"},
		"busy":        {429, `{}`, fault.Overload, "429"},
		"overloaded":  {529, `{}`, fault.Overload, "529"},
		"disk":        {507, `{}`, fault.Capacity, "507"},
		"bug":         {500, "<html>sk-topsecret</html>", fault.Transport, "[key]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			var out any
			err := client(answer.Options{Key: "sk-topsecret", KeyVariable: "MY_KEY"}).Post(t.Context(), at, 1, &out)
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
			require.NotContains(t, err.Error(), "sk-topsecret")
		})
	}
}

// TestPaidRedirects: a paid request is sent once, wherever it is redirected.
func TestPaidRedirects(t *testing.T) {
	t.Parallel()
	for status, charge := range map[int]int64{301: 0, 302: 0, 307: 0, 308: 0, 303: reserved} {
		for to, where := range map[string]string{
			"/loop?token=x": "another path of the same host", "http://other.example.com:81/v1?token=x": "http, host other.example.com:81", "": "nowhere",
		} {
			var posts, polls atomic.Int64
			at := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					posts.Add(1)
				} else if polls.Add(1) > 3 {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				if to != "" {
					w.Header().Set("Location", to)
				}
				w.WriteHeader(status)
			})
			_, err := client(answer.Options{}).Ask(t.Context(), answer.Call{URL: at, Body: []byte(`{}`)})
			require.Error(t, err)
			require.EqualValues(t, 1, posts.Load(), "%d to %s", status, to)
			require.Equal(t, charge, charged(err), "%d to %s: %v", status, to, err)
			require.NotContains(t, err.Error(), "token")
			if status != http.StatusSeeOther {
				require.Equal(t, fault.Input, fault.ClassOf(err))
				require.ErrorContains(t, err, where)
				require.Zero(t, polls.Load())
			}
		}
	}
}

// TestRedirects: a long call is answered with the address of its result on the same host; the
// key is not sent to another host.
func TestRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the key travelled") })
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			http.Redirect(w, r, "/result", http.StatusSeeOther)
		case "/away":
			http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
		default:
			_, _ = w.Write([]byte(`{"ok":"` + r.Header.Get("Authorization") + `"}`))
		}
	})
	c := client(answer.Options{Key: "k"})
	var out map[string]string
	require.NoError(t, c.Post(t.Context(), at+"/long", 1, &out))
	require.Equal(t, "Bearer k", out["ok"])
	require.Equal(t, fault.Input, fault.ClassOf(c.Post(t.Context(), at+"/away", 1, &out)))
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	at := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`"` + strings.Repeat("x", 200) + `"`))
	})
	var out any
	require.ErrorContains(t, client(answer.Options{MaxBytes: 100}).Get(t.Context(), at, &out), "longer than 100 bytes")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "0.5": 500 * time.Millisecond, "-1": 0, "soon": 0, "1e9": 10 * time.Minute, "NaN": 0,
		"Tue, 24 Nov 2026 12:00:07 GMT": 7 * time.Second, "Tue, 24 Nov 2026 11:00:00 GMT": 0,
	} {
		require.Equal(t, want, answer.RetryAfter(value, now), value)
	}
}

// FuzzAnswer: any response is an answer or a classified fault.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"error":"x"}`, `{"error":null}`, `{"error":{"message":"m","code":3}}`, `{"object":"error"}`, "", "<html>", `{"detail":[1]}`} {
		f.Add(200, seed)
		f.Add(500, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		at := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
		var out any
		if err := client(answer.Options{}).Get(t.Context(), at, &out); err != nil {
			require.NotEmpty(t, fault.ClassOf(err), "%v", err)
		}
	})
}

// TestAbout: several calls may share one error, so it is copied and never changed.
func TestAbout(t *testing.T) {
	t.Parallel()
	shared := fault.New(fault.Transport, "ask", "", "it hung up")
	for name, err := range map[string]error{"plain": shared, "charged": money.Charge(shared, 7), "of net/http": &url.Error{Op: "Post", URL: "http://secret", Err: money.Charge(shared, 7)}} {
		var group sync.WaitGroup
		for _, subject := range []string{"a", "b", "c"} {
			group.Go(func() {
				said := answer.About("ask", subject, err)
				assert.EqualError(t, said, `ask "`+subject+`": it hung up`)
				assert.Equal(t, money.ChargeOf(err, 50), money.ChargeOf(said, 50), name)
			})
		}
		group.Wait()
		require.Empty(t, shared.Subject)
	}
	other := fault.New(fault.Input, "fit picture", "", "it is no JPEG")
	require.Same(t, other, answer.About("ask", "a", other))
	kept := money.Charge(&url.Error{Op: "Post", Err: shared}, 7)
	require.True(t, money.IsCharged(answer.About("ask", "a", kept)))
}

package answer_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/circuit"
	"github.com/cogniverse/cogflow/internal/limit"
)

// clock is a fake clock.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// flaky is a server that answers calls, or breaks off every connection.
type flaky struct {
	away         atomic.Int64 // status of a proxy before it; 0 = the server answers; -1 = connections are reset
	posts, tries atomic.Int64
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		f.tries.Add(1)
	} else {
		f.posts.Add(1)
	}
	switch away := f.away.Load(); {
	case away < 0:
		panic(http.ErrAbortHandler)
	case away > 0:
		w.WriteHeader(int(away))
	case r.Method == http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		_, _ = w.Write([]byte(`{}`))
	}
}

// TestOutage: a server that is down costs five calls, and then occasional probes, however many
// calls wait; when it is back, all calls succeed.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]int64{"resets": -1, "bad gateway": 502, "gateway timeout": 504} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, c := &flaky{}, &clock{}
			at := serve(t, f.ServeHTTP)
			ask := client(answer.Options{Now: c.now})
			post := func() error {
				var out any
				return ask.Post(t.Context(), at, 1, &out)
			}
			require.NoError(t, post())
			f.away.Store(away)
			for range 5 {
				require.Equal(t, fault.Transport, fault.ClassOf(post()))
			}
			for range 600 { // ten minutes
				err := post()
				require.Equal(t, fault.Overload, fault.ClassOf(err), "uses up no attempt: %v", err)
				require.ErrorIs(t, err, circuit.ErrOpen)
				require.ErrorContains(t, err, "does not answer")
				require.Positive(t, fault.RetryAfter(err))
				require.LessOrEqual(t, fault.RetryAfter(err), 10*time.Second)
				c.advance(time.Second)
			}
			require.EqualValues(t, 6, f.posts.Load(), "calls are not used as probes")
			require.LessOrEqual(t, f.tries.Load(), int64(64))
			f.away.Store(0)
			c.advance(10 * time.Second)
			require.NoError(t, post())
			require.NoError(t, post())
			require.EqualValues(t, 8, f.posts.Load())
		})
	}
}

// TestOthersAreServed: one host that is down affects neither other hosts nor the limit.
func TestOthersAreServed(t *testing.T) {
	t.Parallel()
	f := &flaky{}
	f.away.Store(-1)
	dead, alive := serve(t, f.ServeHTTP), serve(t, (&flaky{}).ServeHTTP)
	ask := client(answer.Options{Now: (&clock{}).now})
	l := limit.New(limit.Options{Start: 8})
	post := func(at string) error {
		_, err := answer.Measure(l, func() (out any, err error) { return out, ask.Post(t.Context(), at, 1, &out) })
		return err
	}
	for range 10 {
		require.Error(t, post(dead))
	}
	require.EqualValues(t, 5, f.posts.Load())
	require.NoError(t, post(alive))
	require.Equal(t, 8, l.Limit(), "calls that were not made do not change the limit")
}

// TestHalfOpen: a host that accepts connections and never answers costs five timeouts; the next
// call fails at once.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // the kernel accepts connections, and no process reads them
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	c := &clock{}
	ask := client(answer.Options{Timeout: 50 * time.Millisecond, Now: c.now})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			var out any
			if err := ask.Post(t.Context(), "http://"+listener.Addr().String(), 1, &out); fault.ClassOf(err) != fault.Transport {
				t.Errorf("want a timeout: %v", err)
			}
		})
	}
	wg.Wait()
	var out any
	err = ask.Post(t.Context(), "http://"+listener.Addr().String(), 1, &out)
	require.ErrorIs(t, err, circuit.ErrOpen)

	// If a caller is cancelled during its probe, the next caller probes.
	c.advance(time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, ask.Post(ctx, "http://"+listener.Addr().String(), 1, &out), context.DeadlineExceeded)
	again := &http.Server{Handler: &flaky{}, ReadHeaderTimeout: time.Minute}
	go func() { _ = again.Serve(listener) }()
	t.Cleanup(func() { _ = again.Close() })
	err = ask.Post(t.Context(), "http://"+listener.Addr().String(), 1, &out)
	require.NotErrorIs(t, err, circuit.ErrOpen)
	for err != nil { // a busy machine may need more than the timeout
		require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
		c.advance(time.Minute)
		err = ask.Post(t.Context(), "http://"+listener.Addr().String(), 1, &out)
	}
}

// TestPoison: a call that always crashes its server is not an outage, because the server answers
// probes. The call fails with class transport, whose attempts are limited.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/poison" && r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(`{}`))
	}))
	t.Cleanup(s.Close)
	c := &clock{}
	ask := client(answer.Options{Now: c.now})
	var counted int
	for range 25 {
		var out any
		if err := ask.Post(t.Context(), s.URL+"/poison", 1, &out); fault.ClassOf(err) == fault.Transport {
			counted++
		}
		c.advance(time.Second)
	}
	require.Equal(t, 25, counted)
}

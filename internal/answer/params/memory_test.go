package params_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
)

// server is a model that refuses parameters.
type server struct {
	mu      sync.Mutex
	refuses params.Set
	calls   []params.Set // parameters of each request
}

const url = "https://llm.example.org/v1"

// ask sends a request with a temperature and a seed, and returns how many attempts it took.
func (s *server) ask(ctx context.Context, t *testing.T, e *params.Endpoint) int {
	t.Helper()
	attempts := 0
	_, err := params.Ask(ctx, e, "m", func(without params.Set) (string, params.Set, error) {
		attempts++
		s.mu.Lock()
		defer s.mu.Unlock()
		sent := (params.Temperature | params.Seed) &^ without
		s.calls = append(s.calls, sent)
		for _, p := range []params.Set{params.Temperature, params.Seed} {
			if sent&s.refuses&p != 0 {
				return "", sent, fault.New(fault.Input, "ask", "", "status 400: "+p.Names()[0]+" is not supported\x1b[31m")
			}
		}
		return "yes", sent, nil
	})
	require.NoError(t, err)
	return attempts
}

// advance moves the clock of a test bubble.
func advance(d time.Duration) { <-time.After(d) }

func open(t *testing.T) blob.Store {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	return store
}

// TestMemory: a refusal is remembered after a restart, by other workers, for this endpoint and
// model only.
func TestMemory(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		s := &server{refuses: params.Temperature | params.Seed}
		endpoint := func(url string) *params.Endpoint {
			return params.NewEndpoint("main", url, 0, &params.Memory{Store: store})
		}
		require.Equal(t, 3, s.ask(t.Context(), t, endpoint(url)))
		require.Equal(t, 1, s.ask(t.Context(), t, endpoint(url+"/")), "another process")
		require.Equal(t, params.Temperature|params.Seed, endpoint(url).Of(t.Context(), "m"))
		require.Zero(t, endpoint(url).Of(t.Context(), "other"))
		require.Zero(t, endpoint("https://other.example.org/v1").Of(t.Context(), "m"))

		all, err := params.Read(t.Context(), store, url, "m")
		require.NoError(t, err)
		require.Len(t, all, 2)
		now := time.Now().UTC()
		require.Equal(t, params.Refusal{Endpoint: "main", Model: "m", Parameter: "seed", Since: now, Last: now, Message: "status 400: seed is not supported"}, all[0])
	})
}

// TestMemoryExpires: after a day one request sends the parameter again. If it is refused, it is
// omitted for another day; if not, it is sent from then on, by all workers.
func TestMemoryExpires(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		s := &server{refuses: params.Seed}
		e := params.NewEndpoint("main", url, 0, &params.Memory{Store: store})
		other := params.NewEndpoint("main", url, 0, &params.Memory{Store: store})
		began := time.Now().UTC()
		require.Equal(t, 2, s.ask(t.Context(), t, e))
		require.Equal(t, 1, s.ask(t.Context(), t, other))
		advance(24*time.Hour - time.Second)
		require.Equal(t, 1, s.ask(t.Context(), t, e))
		advance(time.Second)
		require.Equal(t, 2, s.ask(t.Context(), t, e), "refused again")
		require.Equal(t, 1, s.ask(t.Context(), t, e))
		all, err := params.Read(t.Context(), store, url, "m")
		require.NoError(t, err)
		require.Equal(t, began, all[0].Since)
		require.Equal(t, began.Add(24*time.Hour), all[0].Last)

		s.refuses = 0
		advance(24 * time.Hour)
		require.Equal(t, 1, s.ask(t.Context(), t, e))
		require.Equal(t, params.Temperature|params.Seed, s.calls[len(s.calls)-1])
		all, err = params.Read(t.Context(), store, url, "m")
		require.NoError(t, err)
		require.Empty(t, all)
		require.Equal(t, 1, s.ask(t.Context(), t, other))
		require.Equal(t, params.Temperature|params.Seed, s.calls[len(s.calls)-1], "the other worker has read that it is gone")
	})
}

// TestOneRequestTries: of many requests, one sends an expired parameter.
func TestOneRequestTries(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		s := &server{refuses: params.Seed}
		e := params.NewEndpoint("main", url, 0, &params.Memory{Store: store})
		s.ask(t.Context(), t, e)
		advance(25 * time.Hour)
		s.calls = nil
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() { s.ask(t.Context(), t, e) })
		}
		all.Wait()
		require.Len(t, s.calls, 33)
	})
}

// TestForget: a user clears what was learned, and workers notice it within a minute.
func TestForget(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		s := &server{refuses: params.Temperature | params.Seed}
		e := params.NewEndpoint("main", url, 0, &params.Memory{Store: store})
		s.ask(t.Context(), t, e)
		_, err := store.Put(t.Context(), params.Prefix(url, "m")+"torn.json", strings.NewReader("{"))
		require.NoError(t, err)
		removed, err := params.Forget(t.Context(), store, func(r params.Refusal) bool { return r.Parameter == "seed" })
		require.NoError(t, err)
		require.Len(t, removed, 1)
		s.refuses = params.Temperature
		advance(time.Minute)
		require.Equal(t, 1, s.ask(t.Context(), t, e))
		require.Equal(t, params.Seed, s.calls[len(s.calls)-1])
		removed, err = params.Forget(t.Context(), store, func(params.Refusal) bool { return true })
		require.NoError(t, err)
		require.Len(t, removed, 1)
	})
}

// broken is a store that fails.
type broken struct {
	blob.Store
	err error
}

func (b *broken) Put(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	if b.err != nil {
		return object.Info{}, b.err
	}
	return b.Store.Put(ctx, key, r)
}

func (b *broken) List(ctx context.Context, prefix string, yield func(object.Info) error) error {
	if b.err != nil {
		return b.err
	}
	return b.Store.List(ctx, prefix, yield)
}

// TestBrokenMemory: a store that fails neither fails a call nor loses what this process learned.
func TestBrokenMemory(t *testing.T) {
	t.Parallel()
	store := &broken{Store: open(t), err: errors.New("disk full")}
	synctest.Test(t, func(t *testing.T) {
		s := &server{refuses: params.Seed}
		m := &params.Memory{Store: store}
		e := params.NewEndpoint("main", url, 0, m)
		require.Equal(t, 2, s.ask(t.Context(), t, e))
		require.ErrorContains(t, m.Err(), "disk full")
		advance(time.Minute)
		require.Equal(t, 1, s.ask(t.Context(), t, e))
		store.err = nil
		advance(time.Minute)
		require.Equal(t, 1, s.ask(t.Context(), t, e))
		require.NoError(t, m.Err())
		all, err := params.Read(t.Context(), store, url, "m")
		require.NoError(t, err)
		require.Len(t, all, 1, "stored as soon as the store works")
	})
}

// TestAlways: what the configuration omits is never sent, even if it was refused before.
func TestAlways(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		s := &server{refuses: params.Seed}
		s.ask(t.Context(), t, params.NewEndpoint("main", url, 0, &params.Memory{Store: store}))
		advance(25 * time.Hour)
		require.Equal(t, 1, s.ask(t.Context(), t, params.NewEndpoint("main", url, params.Seed, &params.Memory{Store: store})))
	})
}

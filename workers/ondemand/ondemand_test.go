package ondemand

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/internal/porttest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// The program of the tests is also the keeper and the model server.
func TestMain(m *testing.M) {
	if code, asked := modelserver.Keep(os.Args[1:]); asked {
		os.Exit(code)
	}
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 4 && os.Args[1] == "book" {
		bookUntilKilled(os.Args[2])
	}
	if len(os.Args) == 4 && os.Args[1] == "vllm" {
		serveVLLM(os.Args[2], os.Args[3])
	}
	m.Run()
}

// serve is a server that says of itself that it serves a model; "" = it has no list.
func serve(port, model string) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	if model != "" {
		mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"object": "list", "data": [{"id": %q, "object": "model"}]}`, model)
		})
	}
	fmt.Fprintln(os.Stderr, "loaded with the key secret-of-server")
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	panic(http.Serve(l, mux)) //nolint:gosec // of a test
}

func options(t *testing.T, serves string, endpoint ...string) Options {
	t.Helper()
	port := porttest.Free(t)
	at := "127.0.0.1:" + port
	table := lease.New([]string{"GPU-a", "GPU-b"})
	c := config.Config{
		Scratch: t.TempDir(),
		Servers: []ownserver.Server{{
			Name: "m", Command: []string{os.Args[0], "serve", port, serves}, Ready: "http://" + at + "/health", GPUs: 2,
			PassEnv: []string{"KEY"}, Scaledown: time.Hour, BootTimeout: time.Minute,
		}},
		Endpoints: []config.Endpoint{{Name: "e", Kind: config.OpenAI, URL: "http://" + at + "/v1", Models: endpoint, OwnServer: "m"}},
	}
	c.Training.Prices = map[string]float64{"l40s": 3.6}
	return Options{
		Config: c, Class: "l40s", GPUs: func() (*lease.Table, error) { return table, nil }, Redactor: safetext.NewRedactor([]string{"secret-of-server"}, nil),
		Getenv: func(name string) string { return map[string]string{"KEY": "secret-of-server"}[name] },
	}
}

func open(t *testing.T, o Options) *Servers {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestLiar: a server that serves other models, or lists none, is refused with what to do.
func TestLiar(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serves, text string
	}{
		"another model": {"other", "it serves other and none of the models of the endpoint e, which are qwen, mini; correct the model in the command"},
		"no list":       {"", "its list of models cannot be read; correct the url of the endpoint e"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, c.serves, "qwen", "mini")
			o.backoff = func(int) time.Duration { return time.Hour }
			s := open(t, o)
			_, err := s.warm(t.Context(), "m", func(string) {})
			require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
			require.Equal(t, "backing_off", s.describe(s.Config.Servers[0]).State)
		})
	}
	s := open(t, options(t, "qwen:latest", "qwen"))
	_, err := s.warm(t.Context(), "qwen", func(string) {})
	require.NoError(t, err, "Ollama adds a tag")
	o := options(t, "other", "qwen")
	o.Config.Servers[0].Unlisted = true
	_, err = open(t, o).warm(t.Context(), "qwen", func(string) {})
	require.NoError(t, err, "its list is of something else")
}

// TestActivities: what people ask about servers, and tell them.
func TestActivities(t *testing.T) {
	t.Parallel()
	s := open(t, options(t, "qwen", "qwen"))
	a := s.Activities()
	one := func(lines int) (activities.ModelServer, activities.WorkerHost) {
		out, err := a.List(t.Context(), activities.ServerInput{Server: "qwen", Lines: lines})
		require.NoError(t, err)
		require.Len(t, out.Servers, 1)
		return out.Servers[0], out
	}
	now, host := one(10)
	require.Equal(t, "asleep", now.State)
	require.Equal(t, []string{"qwen"}, now.Models)
	require.Empty(t, host.Log, "it was never started")
	detail, asleep, err := s.Asleep(s.Config.Endpoints[0].Server())
	require.NoError(t, err)
	require.True(t, asleep)
	require.Contains(t, detail, "cogflow models warm m")

	warmed, err := a.Warm(t.Context(), "m", func(string) {})
	require.NoError(t, err)
	require.Equal(t, "m", warmed.Server)
	now, host = one(10)
	require.Equal(t, "idle", now.State)
	require.Equal(t, []string{"GPU-a", "GPU-b"}, now.Devices)
	require.InDelta(t, 3600, now.Left, 60)
	require.Equal(t, 1, now.Starts)
	require.Equal(t, filepath.Join(s.Config.Scratch, LogDir, "m.log"), host.LogFile)
	require.Contains(t, host.Log[0], "loaded with the key")
	require.NotContains(t, host.Log[0], "secret-of-server")

	end, err := s.Up(t.Context(), s.Config.Endpoints[0].Server(), func(string) {})
	require.NoError(t, err)
	now, _ = one(0)
	require.Equal(t, "busy", now.State)
	require.Equal(t, 1, now.Requests)
	end()
	released, err := a.Release(t.Context(), "qwen")
	require.NoError(t, err)
	require.Equal(t, "idle", released.Was)
	now, _ = one(0)
	require.Equal(t, "asleep", now.State)
	_, err = a.Release(t.Context(), "other")
	require.ErrorContains(t, err, "this worker has m")
}

// faulty is a ledger that loses what it was asked, or its answer.
type faulty struct {
	*ledger.Ledger
	lose func(step string) error // before the ledger is asked, or after it
}

func (f *faulty) TryReserve(ctx context.Context, c video.Call, limit int64) (money.Reservation, error) {
	if err := f.lose("reserve"); err != nil {
		return money.Reservation{}, err
	}
	r, err := f.Ledger.TryReserve(ctx, c, limit)
	return r, errors.Join(err, f.lose("reserved"))
}

func (f *faulty) Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error) {
	if err := f.lose("settle"); err != nil {
		return money.Booking{}, err
	}
	b, err := f.Ledger.Settle(ctx, key, said)
	return b, errors.Join(err, f.lose("settled"))
}

// TestBooks: cold starts and idle time are booked once, at the price of the GPUs, whichever step of
// the ledger fails.
func TestBooks(t *testing.T) {
	t.Parallel()
	url := filepath.Join(t.TempDir(), "ledger.db")
	l, err := ledger.Open(url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	o := options(t, "qwen", "qwen")
	fails := ""
	o.Ledger = &faulty{l, func(step string) error {
		if step == fails {
			return fault.New(fault.Transport, "ask ledger", "", "lost")
		}
		return nil
	}}
	used := modelserver.Usage{}
	b := newBooks(o, func(string) modelserver.Usage { return used }, func(string) []string { return []string{"qwen"} })
	require.NoError(t, b.book(t.Context()))
	var boot, idle time.Duration
	for i, step := range []string{"", "reserve", "reserved", "settle", "settled", "", ""} {
		fails = step
		boot, idle = boot+time.Duration(i)*100*time.Millisecond, idle+10*time.Second
		used.Boot, used.Idle = boot, idle
		err := b.book(t.Context())
		require.Equal(t, step == "", err == nil, "%s: %v", step, err)
		require.Equal(t, err == nil, b.problem() == nil)
	}
	at, err := costs.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, at.Close()) })
	got, err := at.Costs(t.Context(), money.CostQuery{By: []money.Dimension{"tenant", "kind", "gpu", "model"}})
	require.NoError(t, err)
	kinds := map[string]money.Cost{}
	for _, g := range got.Groups {
		require.Equal(t, []string{"pool:l40s", "l40s", "qwen"}, []string{g.Values[0], g.Values[2], g.Values[3]})
		kinds[g.Values[1]] = g.Cost
	}
	require.Len(t, kinds, 2)
	require.Equal(t, 2*boot.Milliseconds(), kinds[kindColdStart].GPUMS, "of two GPUs")
	require.Equal(t, 2*idle.Milliseconds(), kinds[kindIdle].GPUMS)
	require.EqualValues(t, 140_000, kinds[kindIdle].SettledMicroUSD, "70 s of two GPUs at 0.001 USD a second")
	require.Zero(t, got.Total.Open)
	require.Zero(t, got.Total.Lost)
}

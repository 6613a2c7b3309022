package vespa

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/circuit"
)

// TestOutage: while all requests fail, operations wait and one at a time tries the server.
// After a minute all fail as overload, which is retried without using up attempts. When the
// server is back, they succeed.
func TestOutage(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	var requests, now atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if away.Load() {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(`{"id":"` + r.URL.Query().Get("id") + `"}`))
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	c, err := newClient(server.URL, 1, time.Minute)
	require.NoError(t, err)
	t.Cleanup(c.close)
	f := newFeeder(c)
	f.attempts = 1000
	f.circuit = circuit.New(circuit.Options{Grace: grace, Most: grace, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	f.pause = func(ctx context.Context, _ int) error {
		now.Add(int64(100 * time.Millisecond))
		return ctx.Err()
	}
	ops := make([]operation, 20)
	for i := range ops {
		id := strconv.Itoa(i)
		ops[i] = operation{op: "feed vespa", method: http.MethodPost, id: id, path: "/?id=" + id}
	}
	away.Store(true)
	for _, err := range f.feed(t.Context(), ops) {
		require.Equal(t, fault.Overload, fault.ClassOf(err), "%v", err)
		require.ErrorIs(t, err, circuit.ErrOpen)
		require.Positive(t, fault.RetryAfter(err))
	}
	before := requests.Load()
	require.Less(t, before, int64(150), "ten seconds of concurrent attempts, then one at a time")
	for range 50 {
		f.feed(t.Context(), ops)
		now.Add(int64(time.Second))
	}
	require.LessOrEqual(t, requests.Load()-before, int64(50))
	away.Store(false)
	now.Add(int64(grace))
	f.feed(t.Context(), ops[:1])
	for _, err := range f.feed(t.Context(), ops) {
		require.NoError(t, err)
	}
	require.Zero(t, f.circuit.Down())
}

package pools_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/pools"
)

// everything is an answer in which each field is set.
func everything() pools.Pools {
	begun := time.Unix(1e9, 0).UTC()
	return pools.Pools{
		Pools: []pools.Pool{{
			Queue: "train-l40s", Class: "l40s", Workers: 2, Draining: 1, Used: new(1), Free: new(0), Backlog: 3, Oldest: 4, Rate: 5,
			Builds: []string{"secret-build"}, Hosts: []string{"secret-host"}, GPUs: []string{"2 × secret"}, Notices: []string{"secret-host: aws"},
		}},
		Listed: true,
		Servers: []pools.Server{{
			Host: "secret-host", Class: "l40s", Text: "idle, stops in 20s", Used: new(int64(7)), Total: 8, Queues: []string{"host/secret/1"},
			ModelServer: activities.ModelServer{
				Server: "qwen", Models: []string{"Qwen2"}, State: "idle", Detail: "secret", Since: &begun, Devices: []string{"GPU-secret"}, Port: "8000", Starts: 1,
			},
		}},
		Memory: []pools.GPU{
			{Host: "secret-host", Class: "l40s", Text: "is leased by secret", HostGPU: activities.HostGPU{Name: "NVIDIA L40S", UUID: "GPU-secret", Total: 10, Used: new(int64(9)), Held: "is leased by secret"}},
			{Host: "secret-host", Class: "l40s", Text: "set aside: secret", HostGPU: activities.HostGPU{Name: "NVIDIA L40S", Aside: "secret"}},
			{Host: "secret-host", Class: "l40s", Text: "free", HostGPU: activities.HostGPU{Name: "NVIDIA L40S"}},
		},
		Problems: []string{"GPUs of secret-host: the driver hangs"},
	}
}

func do(t *testing.T, a *pools.API, c api.Caller, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	route, err := api.NewMux(a.Routes()).Find(w, r)
	if err == nil {
		err = route.Handle(w, r, c)
	}
	if err != nil {
		api.Write(w, api.Of(err))
	}
	return w.Code, w.Body.String()
}

// TestPools: operators see everything. Others see what is used and what waits, but no host, no other
// caller and no device.
func TestPools(t *testing.T) {
	t.Parallel()
	a := &pools.API{Ask: func(_ context.Context, c api.Caller) (pools.Pools, error) {
		if c.Tenant == "none" {
			return pools.Pools{}, api.Fail(http.StatusServiceUnavailable, api.CodeBusy, "nobody answers")
		}
		return everything(), nil
	}}
	ask := func(c api.Caller) (out pools.Pools, text string) {
		status, text := do(t, a, c, http.MethodGet, "/pools")
		require.Equal(t, http.StatusOK, status, text)
		require.NoError(t, json.Unmarshal([]byte(text), &out))
		return out, text
	}
	want := everything()
	want.Servers[0].Queues = nil // not told
	operator, text := ask(api.Caller{Tenant: "acme", Local: true})
	require.Equal(t, want, operator)
	require.NotContains(t, text, "host/secret/1")

	other, text := ask(api.Caller{Tenant: "acme", Key: "key_1"})
	require.NotContains(t, text, "secret")
	require.Equal(t, pools.Pool{Queue: "train-l40s", Class: "l40s", Workers: 2, Draining: 1, Used: new(1), Free: new(0), Backlog: 3, Oldest: 4, Rate: 5}, other.Pools[0])
	require.Equal(t, []string{"in use", "set aside", "free"}, []string{other.Memory[0].Text, other.Memory[1].Text, other.Memory[2].Text})
	require.Equal(t, int64(9), *other.Memory[0].Used)
	require.Equal(t, int64(7), *other.Servers[0].Used)
	require.Equal(t, "idle", other.Servers[0].State)

	status, text := do(t, a, api.Caller{Tenant: "none"}, http.MethodGet, "/pools")
	require.Equal(t, http.StatusServiceUnavailable, status, text)
	status, text = do(t, a, api.Caller{}, http.MethodGet, "/pools?tenant=b")
	require.Equal(t, http.StatusBadRequest, status, text)
}

// servers are the model servers of a test.
type servers struct {
	found   []pools.Server
	problem string
	err     error
	orders  []string
	block   bool // a start takes longer than anybody waits
}

func (s *servers) Find(_ context.Context, model, host string) ([]pools.Server, string, error) {
	if model != "org/qwen" || host == "elsewhere" {
		return nil, s.problem, s.err
	}
	return s.found, s.problem, s.err
}

func (s *servers) Warm(ctx context.Context, found []pools.Server) (activities.Warmed, error) {
	s.orders = append(s.orders, "warm "+found[0].Server)
	if s.block {
		<-ctx.Done()
		return activities.Warmed{}, ctx.Err()
	}
	return activities.Warmed{Host: "a", Server: "qwen", Waited: 2}, s.err
}

func (s *servers) Release(_ context.Context, found []pools.Server) ([]activities.ReleasedServer, error) {
	s.orders = append(s.orders, "release "+found[0].Server)
	return []activities.ReleasedServer{{Host: "a", Server: "qwen", Was: "idle"}}, s.err
}

// TestModelServers: operators start and stop model servers by the name of a model, and a key alone does not.
func TestModelServers(t *testing.T) {
	t.Parallel()
	s := &servers{found: everything().Servers}
	a := &pools.API{Servers: s}
	operator, key := api.Caller{Tenant: "acme", Local: true}, api.Caller{Tenant: "acme", Key: "key_1"}
	const at = "/model-servers/org%2Fqwen"
	for _, c := range []struct {
		by     api.Caller
		method string
		path   string
		status int
		text   string
	}{
		{operator, http.MethodGet, at, http.StatusOK, `"secret-host"`},
		{operator, http.MethodGet, at + "?host=elsewhere", http.StatusNotFound, "no worker process has a model server"},
		{operator, http.MethodGet, "/model-servers/other", http.StatusNotFound, `\"other\"`},
		{key, http.MethodGet, at, http.StatusOK, `"state":"idle"`},
		{key, http.MethodGet, at + "?host=secret-host", http.StatusForbidden, "operators_only"},
		{operator, http.MethodPost, at + "/warm", http.StatusOK, `{"done":"ready","ready":{"host":"a","server":"qwen","waited_seconds":2}}`},
		{operator, http.MethodPost, at + "/release", http.StatusOK, `{"released":[{"host":"a","server":"qwen","was":"idle"}]}`},
		{operator, http.MethodPost, "/model-servers/other/warm", http.StatusNotFound, "not_found"},
		{operator, http.MethodPost, "/model-servers/other/release", http.StatusNotFound, "not_found"},
		{operator, http.MethodPost, at + "/warm?wait_s=901", http.StatusBadRequest, "0 to 900"},
		{operator, http.MethodPost, at + "/release?wait_s=1", http.StatusBadRequest, "wait_s"},
		{key, http.MethodPost, at + "/warm", http.StatusForbidden, "operators_only"},
		{key, http.MethodPost, at + "/release", http.StatusForbidden, "operators_only"},
	} {
		status, text := do(t, a, c.by, c.method, c.path)
		require.Equal(t, c.status, status, "%s %s: %s", c.method, c.path, text)
		require.Contains(t, text, c.text, c.path)
		if c.by.Local {
			continue
		}
		require.NotContains(t, text, "secret")
	}
	require.Equal(t, []string{"warm qwen", "release qwen"}, s.orders)

	s.problem = "no worker serves the task queue cogflow"
	status, text := do(t, a, operator, http.MethodGet, at)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, s.problem)
	status, text = do(t, a, operator, http.MethodPost, "/model-servers/other/warm")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, s.problem)
	s.err = api.Fail(http.StatusBadGateway, "transport", "it died")
	for _, path := range []string{at, at + "/warm", at + "/release"} {
		method := http.MethodPost
		if path == at {
			method = http.MethodGet
		}
		status, text = do(t, a, operator, method, path)
		require.Equal(t, http.StatusBadGateway, status, text)
	}
}

// TestWarmGoesOn: a caller that does not wait is told that the server starts, and one that goes away gets no
// answer.
func TestWarmGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &servers{found: everything().Servers, block: true}
		began := time.Now()
		for _, query := range []string{"", "?wait_s=60"} {
			status, text := do(t, &pools.API{Servers: s}, api.Caller{Local: true}, http.MethodPost, "/model-servers/org%2Fqwen/warm"+query)
			require.Equal(t, http.StatusAccepted, status, text)
			require.JSONEq(t, `{"done":"starting"}`, text)
		}
		require.Equal(t, 62*time.Second, time.Since(began))
	})
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/keys"
	"github.com/cogniverse/cogflow/internal/program"
)

// output collects what the gateway prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// gateway is one that runs in this process.
type gateway struct {
	out  *output
	dir  string
	stop context.CancelFunc
	done chan error
}

// startGateway starts a gateway with a section cogflow of the configuration, and with variables: names and
// values in turn.
func startGateway(t *testing.T, section string, variables ...string) *gateway {
	t.Helper()
	g := &gateway{out: &output{}, dir: t.TempDir(), done: make(chan error, 1)}
	file := filepath.Join(g.dir, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"cogflow":{"ledger":"`+g.dir+`/ledger.db","store":"file://`+g.dir+`/store",`+section+`}}`), 0o600))
	ctx, stop := context.WithCancel(t.Context())
	g.stop = stop
	go func() {
		env := map[string]string{"COGNIVERSE_CONFIG": file, "BACKEND_KEY": "backend-secret-1", "PATH": os.Getenv("PATH")}
		for i := 0; i < len(variables); i += 2 {
			env[variables[i]] = variables[i+1]
		}
		g.done <- run(ctx, nil, func(name string) string { return env[name] }, g.out)
	}()
	require.Eventually(t, func() bool {
		select {
		case err := <-g.done:
			t.Errorf("the gateway ended: %v", err)
			g.done <- err
			return true
		default:
			return strings.Contains(g.out.String(), `"ready"`)
		}
	}, time.Minute, 10*time.Millisecond)
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-g.done)
	})
	return g
}

// url is the address of a listener.
func (g *gateway) url(t *testing.T, listener string) string {
	t.Helper()
	found := regexp.MustCompile(`"listener":"` + listener + `","address":"([^"]+)"`).FindStringSubmatch(g.out.String())
	require.NotNil(t, found, g.out.String())
	return "http://" + found[1]
}

func get(t *testing.T, url, key string) (int, string) {
	t.Helper()
	status, text, err := look(t.Context(), url, key)
	require.NoError(t, err)
	return status, text
}

// look is get where a test must not fail, as in a condition that is awaited.
func look(ctx context.Context, url, key string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	return got.StatusCode, string(data), err
}

const endpoints = `"endpoints":{"a":{"kind":"openai","url":"http://127.0.0.1:1/v1","models":["qwen","smol"]},"b":{"kind":"embeddings","url":"http://127.0.0.1:2/v1","models":["bge"]}}`

func TestSkeleton(t *testing.T) {
	t.Parallel()
	g := startGateway(t, `"gateway":{"listeners":{"keyed":{"address":"127.0.0.1:0"},"smol":{"address":"localhost:0","tenant":"acme","model":"smol"}}},`+endpoints)
	status, _ := get(t, g.url(t, "keyed")+"/v1/models", "")
	require.Equal(t, http.StatusUnauthorized, status)
	store, err := keys.OpenExisting(t.Context(), filepath.Join(g.dir, "ledger.db"))
	require.NoError(t, err)
	secret, _, err := store.Create(t.Context(), "acme", "", 0)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	status, body := get(t, g.url(t, "keyed")+"/v1/models", secret)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"object":"list","data":[{"id":"bge","object":"model","created":0,"owned_by":"cogflow"},
		{"id":"qwen","object":"model","created":0,"owned_by":"cogflow"},{"id":"smol","object":"model","created":0,"owned_by":"cogflow"}]}`, body)
	_, body = get(t, g.url(t, "smol")+"/v1/models", "")
	require.JSONEq(t, `{"object":"list","data":[{"id":"smol","object":"model","created":0,"owned_by":"cogflow"}]}`, body)

	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		status, body = get(t, g.url(t, "keyed")+path, "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, want, body)
	}
	_, body = get(t, g.url(t, "keyed")+"/metrics", "")
	require.Contains(t, body, `http_server_request_duration_seconds_count{http_response_status_code="401",http_route="listModels"} 1`)
	_, body = get(t, g.url(t, "keyed")+"/openapi.json", "")
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Responses   map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &document))
	require.Equal(t, "3.1.0", document.OpenAPI)
	require.Contains(t, document.Paths["/v1/models"]["get"].Responses, "401")
	require.NotContains(t, g.out.String(), secret)
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	require.Equal(t, program.ExitUsage, program.ExitCode(run(t.Context(), []string{"--nothing"}, none, io.Discard)))
	require.Equal(t, program.ExitUsage, program.ExitCode(run(t.Context(), []string{"more"}, none, io.Discard)))
	bad := func(name string) string { return map[string]string{"COGFLOW_GATEWAY_ADDRESS": "0.0.0.0:1"}[name] }
	require.Equal(t, program.ExitConfiguration, program.ExitCode(run(t.Context(), nil, bad, io.Discard)))
}

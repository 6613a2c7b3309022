// Package phoenixtest starts a real Phoenix for tests and reads what it received through its
// API. `make test-telemetry` installs it.
package phoenixtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/porttest"
	"github.com/cogniverse/cogflow/internal/traces/tracestest"
)

// Server is a running Phoenix.
type Server struct{ URL string }

// Start starts the Phoenix of an environment of Python, which ends with the test.
func Start(t testing.TB, environment string) *Server {
	t.Helper()
	program, err := filepath.Abs(filepath.Join(environment, "bin", "phoenix"))
	require.NoError(t, err)
	require.FileExists(t, program, "run `make test-telemetry`, which installs Phoenix")
	port, grpc := porttest.Free(t), porttest.Free(t)
	cmd := exec.CommandContext(t.Context(), program, "serve")
	cmd.Env = append(os.Environ(), "PHOENIX_WORKING_DIR="+t.TempDir(), "PHOENIX_HOST=127.0.0.1", "PHOENIX_PORT="+port, "PHOENIX_GRPC_PORT="+grpc,
		"PHOENIX_TELEMETRY_ENABLED=false", "PHOENIX_ALLOW_EXTERNAL_RESOURCES=false", "PHOENIX_DISABLE_AGENT_ASSISTANT=true")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("%.4000s", log.String())
		}
	})
	s := &Server{URL: "http://127.0.0.1:" + port}
	require.Eventually(t, func() bool { return s.up(t) }, 15*time.Minute, 100*time.Millisecond, "Phoenix does not start")
	return s
}

func (s *Server) up(t testing.TB) bool {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/healthz", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// ask sends a request and decodes the answer; numbers stay as they are written.
func (s *Server) ask(t testing.TB, request *http.Request, into any) {
	t.Helper()
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode, request.URL.String())
	decoder := json.NewDecoder(answer.Body)
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(into))
}

// Query asks Phoenix's GraphQL API, which serves its pages.
func (s *Server) Query(t testing.TB, query string, into any) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/graphql", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	s.ask(t, request, &answer)
	require.Empty(t, string(answer.Errors))
	require.NoError(t, json.Unmarshal(answer.Data, into))
}

// Price adds a model to the price list of Phoenix, in USD per million tokens. It is applied to
// spans that arrive later, within seconds.
func (s *Server) Price(t testing.TB, model string, input, output float64) {
	t.Helper()
	var ignored any
	s.Query(t, fmt.Sprintf(`mutation {createModel(input: {name: %[1]q, namePattern: %[2]q, costs: [
		{tokenType: "input", costPerMillionTokens: %[3]g, kind: PROMPT}, {tokenType: "output", costPerMillionTokens: %[4]g, kind: COMPLETION}
	]}) {model {id}}}`, model, "^"+regexp.QuoteMeta(model)+"$", input, output), &ignored)
}

// Projects returns the projects that have received something, with the costs that Phoenix computes.
func (s *Server) Projects(t testing.TB) map[string]float64 {
	t.Helper()
	var of struct {
		Projects struct {
			Edges []struct {
				Node struct {
					Name       string `json:"name"`
					TraceCount int    `json:"traceCount"`
					Costs      struct {
						Total struct {
							Cost float64 `json:"cost"`
						} `json:"total"`
					} `json:"costSummary"`
				} `json:"node"`
			} `json:"edges"`
		} `json:"projects"`
	}
	s.Query(t, `{projects {edges {node {name traceCount costSummary {total {cost}}}}}}`, &of)
	out := map[string]float64{}
	for _, e := range of.Projects.Edges {
		if e.Node.TraceCount > 0 {
			out[e.Node.Name] = e.Node.Costs.Total.Cost
		}
	}
	return out
}

// Spans returns all spans of a project as Phoenix stored them.
func (s *Server) Spans(t testing.TB, project string) (out []tracestest.Span) {
	t.Helper()
	for cursor := ""; ; {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			s.URL+"/v1/projects/"+url.PathEscape(project)+"/spans?limit=500&cursor="+url.QueryEscape(cursor), nil)
		require.NoError(t, err)
		var page struct {
			Data []stored `json:"data"`
			Next string   `json:"next_cursor"`
		}
		s.ask(t, request, &page)
		for _, one := range page.Data {
			out = append(out, one.span(project))
		}
		if cursor = page.Next; cursor == "" {
			return out
		}
	}
}

// stored is a span as the API returns it.
type stored struct {
	Name    string    `json:"name"`
	Kind    string    `json:"span_kind"`
	Parent  string    `json:"parent_id"`
	Status  string    `json:"status_code"`
	Message string    `json:"status_message"`
	Begin   time.Time `json:"start_time"`
	End     time.Time `json:"end_time"`
	Context struct {
		Trace string `json:"trace_id"`
		Span  string `json:"span_id"`
	} `json:"context"`
	Attributes map[string]any    `json:"attributes"`
	Events     []json.RawMessage `json:"events"`
}

func (s stored) span(project string) tracestest.Span {
	all := map[string]any{"openinference.span.kind": s.Kind}
	for name, value := range s.Attributes {
		flatten(name, value, all)
	}
	return tracestest.Span{
		Name: s.Name, Trace: s.Context.Trace, ID: s.Context.Span, Parent: s.Parent, Project: project, Attributes: all,
		Failed: s.Status == "ERROR", OK: s.Status == "OK", Message: s.Message, Begin: s.Begin, End: s.End, Events: len(s.Events),
	}
}

// flatten writes nested objects as names with dots, which is how they were sent.
func flatten(name string, value any, to map[string]any) {
	switch v := value.(type) {
	case map[string]any:
		for inner, value := range v {
			flatten(name+"."+inner, value, to)
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			to[name] = n
			return
		}
		f, err := v.Float64()
		if err != nil {
			to[name] = v.String()
			return
		}
		to[name] = f
	default:
		to[name] = v
	}
}

package mcp_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/door"
	"github.com/cogniverse/cogflow/internal/gateway/mcp"
)

type document struct {
	Tenant string `json:"tenant"`
	Asked  string `json:"asked"`
	Key    string `json:"key"`
	Body   string `json:"body"`
}

// table has every route that tools need. Handlers answer with what they were asked.
func table() (out []api.Route) {
	path := map[string]string{
		"getFrame": "/videos/{video}/frames/{frame}", "startJob": "/jobs/{type}", "getJob": "/jobs/{id}", "getVideo": "/videos/{video}",
		"getJobResult": "/jobs/{id}/result", "pauseJob": "/jobs/{id}/pause", "resumeJob": "/jobs/{id}/resume", "stopJob": "/jobs/{id}/stop", "cancelJob": "/jobs/{id}/cancel",
	}
	for _, name := range []string{
		"searchVideos", "listVideos", "getVideo", "getFrame", "startJob", "listJobs", "getJob", "getJobResult",
		"pauseJob", "resumeJob", "stopJob", "cancelJob", "listPrograms", "listAdapters",
	} {
		at := path[name]
		if at == "" {
			at = "/" + name
		}
		r := api.Route{Method: http.MethodGet, Path: at, Name: name, Response: document{}, Handle: echo}
		for part := range strings.SplitSeq(at, "/") {
			if param, ok := strings.CutPrefix(part, "{"); ok {
				r.Query = append(r.Query, api.Param{Name: strings.TrimSuffix(param, "}"), Text: "which one"})
			}
		}
		switch name {
		case "searchVideos":
			r.Query = append(r.Query, api.Param{Name: "q", Text: "words"}, api.Param{Name: "limit", Text: "number"}, api.Param{Name: "kind", Text: "kinds"})
		case "startJob":
			r.Method, r.Request = http.MethodPost, map[string]any{}
			r.Query = append(r.Query, api.Param{Name: "Idempotency-Key", Text: "key", Header: true})
		case "getFrame":
			r.Handle = func(w http.ResponseWriter, r *http.Request, _ api.Caller) error {
				w.Header().Set("Content-Type", "image/jpeg")
				_, err := io.WriteString(w, "picture of "+r.PathValue("frame"))
				return err
			}
		case "getJob":
			r.Handle = func(http.ResponseWriter, *http.Request, api.Caller) error {
				return api.Fail(http.StatusNotFound, "no_job", "the tenant has no job with this id")
			}
		case "getVideo":
			r.Handle = func(w http.ResponseWriter, _ *http.Request, _ api.Caller) error {
				_, err := w.Write(bytes.Repeat([]byte("x"), 2<<20))
				return err
			}
		case "getJobResult":
			r.Handle = func(http.ResponseWriter, *http.Request, api.Caller) error { panic("a bug") }
		}
		out = append(out, r)
	}
	return out
}

func echo(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, document{string(c.Tenant), r.PathValue("type") + "?" + r.URL.RawQuery, r.Header.Get("Idempotency-Key"), string(body)})
	return nil
}

type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// TestTools: a client of the official SDK lists the tools and calls them, as its tenant. What goes
// wrong is a result that says why.
func TestTools(t *testing.T) {
	t.Parallel()
	log := &journal{}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	section := frontdoor.Section{Listeners: map[string]frontdoor.Listener{"main": {Address: "127.0.0.1:0", Tenant: "acme"}}}
	routes := table()
	d := door.New(door.Options{Config: section.Complete(), Routes: append(routes, mcp.New(routes, "v", logger).Routes()...), Log: logger})
	require.NoError(t, d.Listen(t.Context(), func(err error) { t.Error(err) }))
	t.Cleanup(d.Close)
	client := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: "http://" + d.Addresses()["main"] + "/mcp"}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })

	listed, err := session.ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, listed.Tools, len(routes))
	for _, tool := range listed.Tools {
		require.NotEmpty(t, tool.Description)
		require.Equal(t, tool.Name != "start_job", tool.Annotations.ReadOnlyHint, "the only POST of the table")
	}

	call := func(name string, arguments string) *sdk.CallToolResult {
		t.Helper()
		r, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: json.RawMessage(arguments)})
		require.NoError(t, err)
		return r
	}
	said := func(r *sdk.CallToolResult) string {
		t.Helper()
		require.Len(t, r.Content, 1)
		text, ok := r.Content[0].(*sdk.TextContent)
		require.True(t, ok)
		return strings.TrimSpace(text.Text)
	}
	require.JSONEq(t, `{"tenant":"acme","asked":"?kind=frame&kind=audio&limit=3&q=a+cat","key":"","body":""}`,
		said(call("search_videos", `{"q": "a cat", "limit": 3, "kind": ["frame", "audio"]}`)))
	require.JSONEq(t, `{"tenant":"acme","asked":"ingest?","key":"once","body":"{\"source\":\"s3://b/\"}"}`,
		said(call("start_job", `{"type": "ingest", "input": {"source": "s3://b/"}, "idempotency_key": "once"}`)))
	require.JSONEq(t, `{"tenant":"acme","asked":"?","key":"","body":""}`, said(call("list_jobs", `{}`)))

	picture, ok := call("get_frame", `{"video": "v", "frame": 1200}`).Content[0].(*sdk.ImageContent)
	require.True(t, ok)
	require.Equal(t, "image/jpeg", picture.MIMEType)
	require.Equal(t, "picture of 1200.jpg", string(picture.Data))

	for name, c := range map[string]struct{ tool, arguments, want string }{
		"a failure of the route": {"job_status", `{"id": "x"}`, "no job with this id"},
		"an unknown argument":    {"search_videos", `{"query": "a cat"}`, "has no argument query"},
		"a header":               {"start_job", `{"type": "ingest", "input": {}, "Idempotency-Key": "k"}`, "has no argument Idempotency-Key"},
		"a missing argument":     {"pause_job", `{}`, "the argument id is required"},
		"null":                   {"pause_job", `{"id": null}`, "the argument id is required"},
		"an object":              {"pause_job", `{"id": {}}`, "must be a text"},
		"too much":               {"get_video", `{"video": "v"}`, "too large"},
		"a panic":                {"job_result", `{"id": "x"}`, "internal error"},
		"an argument twice":      {"search_videos", `{"q": "a", "q": "b"}`, "q"},
	} {
		r := call(c.tool, c.arguments)
		require.True(t, r.IsError, name)
		require.Contains(t, said(r), c.want, name)
	}
	// Messages in a list would be calls that no limit counts.
	batch, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.Addresses()["main"]+"/mcp",
		strings.NewReader(` [{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_programs","arguments":{}}}]`))
	require.NoError(t, err)
	batch.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	refused, err := http.DefaultClient.Do(batch)
	require.NoError(t, err)
	require.NoError(t, refused.Body.Close())
	require.Equal(t, http.StatusBadRequest, refused.StatusCode)
	log.mu.Lock()
	defer log.mu.Unlock()
	require.Contains(t, log.text.String(), `"tool":"start_job"`)
	require.NotContains(t, log.text.String(), `"tool":"list_programs"`)
}

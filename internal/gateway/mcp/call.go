package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/strictjson"
)

// maxResult bounds what a tool returns. A model could not read more.
const maxResult = 1 << 20

// handler calls the route of a tool for the caller of a request. What goes wrong is a result that
// the agent can read, and not an error of the protocol.
func (a *API) handler(t offered, r *http.Request, c api.Caller) mcp.ToolHandler {
	return func(_ context.Context, call *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		answer, err := t.call(r.Context(), call.Params.Arguments, c)
		attrs := append(c.Attrs(), slog.String("tool", t.name))
		if err != nil {
			e := api.Of(err)
			a.log.Info("tool failed", append(attrs, slog.Int("status", e.Status), slog.String("error", err.Error()))...)
			return failed(e), nil
		}
		a.log.Info("tool called", attrs...)
		return answer, nil
	}
}

func failed(e *api.Error) *mcp.CallToolResult {
	text := e.Message
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" Try again after %s.", e.RetryAfter)
	}
	return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// call makes the request of the arguments and returns its answer.
func (t offered) call(ctx context.Context, arguments json.RawMessage, c api.Caller) (*mcp.CallToolResult, error) {
	r, err := t.request(ctx, arguments)
	if err != nil {
		return nil, err
	}
	w := &recorder{header: http.Header{}}
	if err := panics.Try(func() error { return t.route.Handle(w, r, c) }); err != nil {
		return nil, err
	}
	if w.cut {
		return nil, api.Fail(http.StatusRequestEntityTooLarge, "result_too_large", "the result is too large for a tool; ask for less by limit, or read it by HTTP")
	}
	if media := w.header.Get("Content-Type"); strings.HasPrefix(media, "image/") {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.ImageContent{Data: w.body.Bytes(), MIMEType: media}}}, nil
	}
	return &mcp.CallToolResult{
		IsError:           w.status >= http.StatusBadRequest,
		Content:           []mcp.Content{&mcp.TextContent{Text: w.body.String()}},
		StructuredContent: json.RawMessage(w.body.Bytes()),
	}, nil
}

// request is the request that a client of HTTP would make.
func (t offered) request(ctx context.Context, given json.RawMessage) (*http.Request, error) {
	values := map[string]json.RawMessage{}
	if len(given) > 0 {
		if err := strictjson.Unmarshal(given, &values); err != nil {
			return nil, api.Fail(http.StatusBadRequest, "invalid_json", err.Error())
		}
	}
	known := arguments(t.route)
	r, err := http.NewRequestWithContext(ctx, t.route.Method, "/", http.NoBody)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		p, ok := known[name]
		if name == inputArgument && t.route.Request != nil {
			body, err := http.NewRequestWithContext(ctx, t.route.Method, "/", bytes.NewReader(values[name]))
			if err != nil {
				return nil, err
			}
			r.Body, r.ContentLength = body.Body, body.ContentLength
			r.Header.Set("Content-Type", "application/json")
			continue
		}
		if !ok {
			return nil, api.BadField(name, "the tool "+t.name+" has no argument "+name)
		}
		all, err := texts(name, values[name])
		if err != nil {
			return nil, err
		}
		switch {
		case len(all) == 0: // null, which agents write for what they do not give
			delete(values, name)
		case p.Header:
			r.Header[p.Name] = all
		case inPath(t.route, name):
			r.SetPathValue(name, strings.Join(all, ",")+t.suffix[name])
		default:
			query[name] = all
		}
	}
	for name, p := range known {
		if _, given := values[name]; !given && (p.Required || inPath(t.route, name)) {
			return nil, api.BadField(name, "the argument "+name+" is required")
		}
	}
	r.URL.RawQuery = query.Encode()
	return r, nil
}

// texts are the values of an argument: agents write numbers as numbers, and lists as lists.
func texts(name string, value json.RawMessage) ([]string, error) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		list = []json.RawMessage{value}
	}
	var out []string
	for _, one := range list {
		var v any
		if err := json.Unmarshal(one, &v); err != nil {
			return nil, api.BadField(name, err.Error())
		}
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case float64, bool:
			out = append(out, strings.TrimSpace(string(one)))
		default:
			return nil, api.BadField(name, name+" must be a text, a number or a list of them")
		}
	}
	return out, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
	cut    bool // the answer was too large
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) { w.status = status }

func (w *recorder) Write(p []byte) (int, error) {
	if w.body.Len()+len(p) > maxResult {
		w.cut = true
		return len(p), nil
	}
	return w.body.Write(p)
}

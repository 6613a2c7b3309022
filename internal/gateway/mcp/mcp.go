// Package mcp offers jobs and search as tools for agents, by the Model Context Protocol. Each tool is
// a route of the table, with its arguments, checks, tenant and errors. It holds no session, so any
// gateway answers any request.
package mcp

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// API has the route of the protocol.
type API struct {
	version string
	log     *slog.Logger
	tools   []offered
}

// offered is a tool with its route.
type offered struct {
	tool

	route  api.Route
	schema map[string]any
}

// New offers tools for the routes of a table. A tool whose route is missing is a bug, and panics.
func New(routes []api.Route, version string, log *slog.Logger) *API {
	byName := map[string]api.Route{}
	for _, r := range routes {
		byName[r.Name] = r
	}
	a := &API{version: version, log: log}
	for _, t := range tools() {
		route, ok := byName[t.route]
		if !ok {
			panic("mcp: the tool " + t.name + " has no route")
		}
		a.tools = append(a.tools, offered{t, route, t.schema(route)})
	}
	return a
}

// maxMessage bounds a message. Inputs of jobs name data by their URI.
const maxMessage = 4 << 20

// Routes is the table of the package. The protocol has its own document, the list of tools.
func (a *API) Routes() []api.Route {
	return []api.Route{{
		Method: http.MethodPost, Path: "/mcp", Name: "mcp", Tag: "agents", Summary: "Tools for agents: the Model Context Protocol by streamable HTTP",
		Hidden: true, MaxBody: maxMessage, Handle: a.serve,
	}}
}

const instructions = `cogflow finds moments in videos, and runs ingestion, training and prompt optimization as durable jobs.
Search first: a hit names its video and its time. Look at a moment by get_frame. Jobs take minutes to days: start_job returns an id at once, and the same
start again returns the same job. Ask job_status until the job is completed, then job_result.`

// serve answers one message. Old versions of the protocol send several at once, which would be as many
// requests that no limit of the tenant counts.
func (a *API) serve(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	body, err := api.Read(r)
	if err != nil {
		return err
	}
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) > 0 && start[0] == '[' {
		return api.Fail(http.StatusBadRequest, "batch_not_supported", "send each message in a request of its own: limits count requests")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server {
		server := mcp.NewServer(&mcp.Implementation{Name: "cogflow", Version: a.version}, &mcp.ServerOptions{Instructions: instructions})
		for _, t := range a.tools {
			server.AddTool(t.described(), a.handler(t, r, c))
		}
		return server
	}, &mcp.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true,
		DisableLocalhostProtection: true, // the door checks the name of the host
	}).ServeHTTP(w, r)
	return nil
}

package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Handler answers a request of a caller. An error that it returns before its first byte is
// answered as an error document.
type Handler func(w http.ResponseWriter, r *http.Request, c Caller) error

// Route is one row of the table of routes. OpenAPI's document is made of the same row, so it
// cannot differ.
type Route struct {
	Method, Path string // as for http.ServeMux, without a host
	Name         string // operation id, and label of metrics
	Tag          string // group in the document
	Summary      string
	Request      any    // value of the type of the JSON body; nil = none
	RequestMedia string // if the body is not JSON; Request then has its fields
	Query        []Param
	Response     any         // value of the type of the JSON answer; nil = another form
	Media        string      // of an answer that is not JSON; several are separated by ", "
	Stream       bool        // it can answer as a stream of events, or always does
	Status       int         // of the answer; 0 = 200
	More         []int       // further statuses that are no errors, such as 206
	Also         map[int]any // likewise, with the value of the type of their JSON answer, such as 202
	Errors       []int       // besides those of the door
	Public       bool        // without a tenant
	First        bool        // it is looked for before routes that could have the same path, such as /a/{id}/b beside /a/b/{id}
	Hidden       bool        // not in OpenAPI's document, because it has a protocol of its own
	MaxBody      int64       // 0 = the configured limit
	Handle       Handler
}

// Param is a parameter in the query, the path or the headers of a route.
type Param struct {
	Name, Text string
	Required   bool
	Header     bool // it is a header
}

// JobPath is the path of a job, for routes that name one. Ids can contain slashes.
func JobPath(id string) string { return "/jobs/" + url.PathEscape(id) }

// Mux serves routes.
type Mux struct {
	routes      []Route
	first, then *http.ServeMux // a ServeMux refuses two paths of which neither is the more specific one
}

// NewMux makes the server of a table. A table that contradicts itself is a bug, and panics as
// http.ServeMux does.
func NewMux(routes []Route) *Mux {
	m := &Mux{routes: routes, first: http.NewServeMux(), then: http.NewServeMux()}
	names := map[string]bool{}
	for i, r := range routes {
		if names[r.Name] || r.Name == "" || r.Handle == nil {
			panic(fmt.Sprintf("api: route %s %s has no handler, or not a name of its own", r.Method, r.Path))
		}
		names[r.Name] = true
		mux := m.then
		if r.First {
			mux = m.first
		}
		mux.Handle(r.Method+" "+r.Path, hit{&m.routes[i]})
	}
	return m
}

// hit makes a route findable in a ServeMux. It never serves.
type hit struct{ *Route }

func (h hit) ServeHTTP(http.ResponseWriter, *http.Request) {}

// Find returns the route of a request, and sets the values of its path. Its error is 404, or 405
// with the methods of the path.
func (m *Mux) Find(w http.ResponseWriter, r *http.Request) (*Route, error) {
	if found, mux := m.at(r); found != nil {
		mux.ServeHTTP(w, r) // nothing else sets the values of a path
		return found, nil
	}
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if found, _ := m.at(other); found != nil && !slices.Contains(methods, method) {
			methods = append(methods, method)
		}
	}
	if len(methods) > 0 {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		return nil, Fail(http.StatusMethodNotAllowed, "method_not_allowed", "this path has only the methods "+strings.Join(methods, ", "))
	}
	return nil, Fail(http.StatusNotFound, "not_found", "there is no such path; /openapi.json lists all")
}

func (m *Mux) at(r *http.Request) (*Route, *http.ServeMux) {
	for _, mux := range []*http.ServeMux{m.first, m.then} {
		h, _ := mux.Handler(r)
		if found, ok := h.(hit); ok {
			return found.Route, mux
		}
	}
	return nil, nil
}

// Package pools has the routes of what serves jobs: task queues with their workers, and model servers
// on demand. It changes nothing.
package pools

import (
	"context"
	"net/http"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// API has the routes.
type API struct {
	// Ask describes the task queues and the model servers.
	Ask func(ctx context.Context, c api.Caller) (Pools, error)
}

// Pools is what serves jobs. All tenants share it.
type Pools struct {
	Pools []Pool `json:"pools"`
	// Listed is false if the Temporal server does not list workers: slots are then unknown.
	Listed  bool     `json:"workers_listed"`
	Servers []Server `json:"model_servers"`
}

// Pool is one task queue.
type Pool struct {
	Queue    string  `json:"queue"`
	Class    string  `json:"class" jsonschema:"of GPUs; cpu = none"`
	Workers  int     `json:"workers"`
	Draining int     `json:"draining" jsonschema:"workers that take no new tasks and will end"`
	Used     *int    `json:"slots_used,omitempty"`
	Free     *int    `json:"slots_free,omitempty"`
	Backlog  int64   `json:"backlog" jsonschema:"tasks that wait for a worker"`
	Oldest   float64 `json:"oldest_s" jsonschema:"age of the oldest of them, in seconds"`
	Rate     float64 `json:"tasks_per_minute"`
	// The rest is for operators only.
	Builds  []string `json:"builds,omitempty"`
	Hosts   []string `json:"hosts,omitempty"`
	GPUs    []string `json:"gpus,omitempty"`
	Notices []string `json:"notices,omitempty" jsonschema:"which hosts will be taken away, and when"`
}

// Server is a model server on demand of one host.
type Server struct {
	Host  string `json:"host,omitempty" jsonschema:"for operators only"`
	Class string `json:"class"`
	Text  string `json:"state_text" jsonschema:"the state in words, with its numbers"`
	activities.ModelServer
}

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	return []api.Route{{
		Method: http.MethodGet, Path: "/pools", Name: "listPools", Tag: "pools", Summary: "Task queues with their workers, and model servers on demand",
		Response: Pools{}, Errors: []int{http.StatusBadGateway}, Handle: a.list,
	}}
}

func (a *API) list(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	out, err := a.Ask(r.Context(), c)
	if err != nil {
		return err
	}
	if !c.Local { // names of hosts are for those who run them
		for i := range out.Pools {
			p := &out.Pools[i]
			p.Builds, p.Hosts, p.GPUs, p.Notices = nil, nil, nil, nil
		}
		for i, s := range out.Servers {
			out.Servers[i] = Server{Class: s.Class, Text: s.Text, ModelServer: activities.ModelServer{Server: s.Server, Models: s.Models, State: s.State}}
		}
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// Package pools has the routes of what serves jobs: task queues with their workers, GPUs, and model
// servers on demand, which operators start and stop. All tenants share these.
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
	// Servers finds, starts and stops model servers.
	Servers Servers
}

// Pools is what serves jobs. All tenants share it.
type Pools struct {
	Pools []Pool `json:"pools"`
	// Listed is false if the Temporal server does not list workers: slots are then unknown.
	Listed  bool     `json:"workers_listed"`
	Servers []Server `json:"model_servers"`
	Memory  []GPU    `json:"gpus" jsonschema:"GPUs of worker processes that answer, with their memory"`
	// Problems are for operators only.
	Problems []string `json:"problems,omitempty" jsonschema:"why GPUs or model servers are missing, and what to do"`
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
	Used  *int64 `json:"devices_memory_used_bytes,omitempty" jsonschema:"of all GPUs that it has leased, also by others"`
	Total int64  `json:"devices_memory_bytes,omitempty" jsonschema:"of these GPUs"`
	activities.ModelServer

	Queues []string `json:"-"` // of the worker processes that have it, the owner first
}

// GPU is a GPU of a host.
type GPU struct {
	Host  string `json:"host,omitempty" jsonschema:"for operators only"`
	Class string `json:"class"`
	Text  string `json:"state_text" jsonschema:"free, or why not"`
	activities.HostGPU
}

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	return append(a.serverRoutes(), api.Route{
		Method: http.MethodGet, Path: "/pools", Name: "listPools", Tag: "pools", Summary: "Task queues with their workers, GPUs and their memory, and model servers on demand",
		Response: Pools{}, Errors: []int{http.StatusBadGateway}, Handle: a.list,
	})
}

func (a *API) list(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	if err := api.Query(r, nil).Err(); err != nil {
		return err
	}
	out, err := a.Ask(r.Context(), c)
	if err != nil {
		return err
	}
	if !c.Local { // what others do, and names of hosts are for those who run them
		for i := range out.Pools {
			p := &out.Pools[i]
			p.Builds, p.Hosts, p.GPUs, p.Notices = nil, nil, nil, nil
		}
		out.Problems = nil
		for i, g := range out.Memory {
			out.Memory[i] = GPU{Class: g.Class, Text: openly(g), HostGPU: activities.HostGPU{Name: g.Name, Total: g.Total, Used: g.Used}}
		}
		for i, s := range out.Servers {
			out.Servers[i] = s.openly()
		}
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// openly is a server without its host and the work of others.
func (s Server) openly() Server {
	return Server{Class: s.Class, Text: s.Text, Used: s.Used, Total: s.Total, ModelServer: activities.ModelServer{Server: s.Server, Models: s.Models, State: s.State}}
}

// openly is the state of a GPU without those who use it.
func openly(g GPU) string {
	switch {
	case g.Aside != "":
		return "set aside"
	case g.Held != "":
		return "in use"
	}
	return "free"
}

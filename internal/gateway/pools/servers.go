package pools

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// Servers finds, starts and stops model servers on demand.
type Servers interface {
	// Find finds a server by its name, or by a model that it serves: one entry for each host. The problem
	// is why there may be more; "" = there are not.
	Find(ctx context.Context, model, host string) (found []Server, problem string, err error)
	// Warm starts a server on the best of these hosts, and waits until it is ready. A start goes on after
	// the end of ctx.
	Warm(ctx context.Context, found []Server) (activities.Warmed, error)
	// Release drains and stops a server on these hosts.
	Release(ctx context.Context, found []Server) ([]activities.ReleasedServer, error)
}

// Found is one model server on its hosts.
type Found struct {
	Servers []Server `json:"model_servers" jsonschema:"one entry for each host"`
	Problem string   `json:"problem,omitempty" jsonschema:"why hosts may be missing; for operators only"`
}

// Warm is the answer about a start.
type Warm struct {
	Done  string             `json:"done" jsonschema:"ready, or starting"`
	Ready *activities.Warmed `json:"ready,omitempty" jsonschema:"where it is ready"`
}

// Released is the answer about a stop.
type Released struct {
	Released []activities.ReleasedServer `json:"released" jsonschema:"one entry for each host"`
}

const (
	tag     = "pools"
	maxWait = 900 // seconds
)

func serverParams() []api.Param {
	return []api.Param{
		{Name: "name", Text: "name of a model server, or of a model that it serves; write a slash in it as %2F"},
		{Name: "host", Text: "only on this host"},
	}
}

func warmParams() []api.Param {
	return append(serverParams(), api.Param{Name: "wait_s", Text: "how long to wait until it is ready, 0 (default) to 900 seconds; after that, the answer is 202"})
}

func (a *API) serverRoutes() []api.Route {
	errs := []int{http.StatusNotFound, http.StatusBadGateway, http.StatusServiceUnavailable}
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/model-servers/{name}", Name: "showModelServer", Tag: tag, Summary: "One model server on each of its hosts",
			Query: serverParams(), Response: Found{}, Errors: errs, Handle: a.show,
		},
		{
			Method: http.MethodPost, Path: "/model-servers/{name}/warm", Name: "warmModelServer", Tag: tag, Summary: "Start a model server before the first request; for operators",
			Query: warmParams(), Response: Warm{}, More: []int{http.StatusAccepted}, Errors: errs, Handle: a.warm,
		},
		{
			Method: http.MethodPost, Path: "/model-servers/{name}/release", Name: "releaseModelServer", Tag: tag, Summary: "Drain and stop a model server; for operators",
			Query: serverParams(), Response: Released{}, Errors: errs, Handle: a.release,
		},
	}
}

func (a *API) show(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, serverParams())
	if host := q.Text("host"); host != "" && !c.Local {
		return api.Fail(http.StatusForbidden, "operators_only", "names of hosts are for operators only; ask without host")
	}
	found, problem, err := a.find(r, q, c)
	if err != nil {
		return err
	}
	if !c.Local {
		problem = ""
		for i, s := range found {
			found[i] = s.openly()
		}
	}
	api.WriteJSON(w, http.StatusOK, Found{Servers: found, Problem: problem})
	return nil
}

// find finds the server of a request. Only an operator learns which workers do not answer.
func (a *API) find(r *http.Request, q *api.Values, c api.Caller) ([]Server, string, error) {
	if err := q.Err(); err != nil {
		return nil, "", err
	}
	name := r.PathValue("name")
	found, problem, err := a.Servers.Find(r.Context(), name, q.Text("host"))
	switch {
	case err != nil || len(found) > 0:
		return found, problem, err
	case problem != "":
		if !c.Local {
			problem = "workers do not answer; ask again later"
		}
		return nil, "", &api.Error{
			Status: http.StatusServiceUnavailable, Code: api.CodeBusy, RetryAfter: retryIn, Message: "the state of the model server " + strconv.Quote(name) + " is unknown: " + problem,
		}
	}
	return nil, "", api.Fail(http.StatusNotFound, "not_found", "no worker process has a model server "+strconv.Quote(name)+" there; GET /pools lists them")
}

// retryIn is when callers ask again about workers that do not answer.
const retryIn = 5 * time.Second

// operator refuses callers of other hosts: model servers and their GPUs are shared by all tenants, and no
// budget of a tenant pays for them.
func operator(c api.Caller) error {
	if c.Local {
		return nil
	}
	return api.Fail(http.StatusForbidden, "operators_only", "model servers are started and stopped on the gateway's own host only: at a loopback listener, or with `cogflow models`. A request for the model starts its server, too")
}

func (a *API) warm(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	if err := operator(c); err != nil {
		return err
	}
	q := api.Query(r, warmParams())
	wait := time.Duration(q.Int("wait_s", 0, 0, maxWait)) * time.Second
	found, _, err := a.find(r, q, c)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(r.Context(), max(wait, startIn))
	defer stop()
	ready, err := a.Servers.Warm(ctx, found)
	switch {
	case err == nil:
		api.WriteJSON(w, http.StatusOK, Warm{Done: "ready", Ready: &ready})
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		api.WriteJSON(w, http.StatusAccepted, Warm{Done: "starting"})
	default:
		return err
	}
	return nil
}

// startIn is the least time for a start: an order must reach the server of Temporal, and one that is
// refused at once is told.
const startIn = 2 * time.Second

func (a *API) release(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	if err := operator(c); err != nil {
		return err
	}
	found, _, err := a.find(r, api.Query(r, serverParams()), c)
	if err != nil {
		return err
	}
	out, err := a.Servers.Release(r.Context(), found)
	if err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, Released{Released: out})
	return nil
}

// Package versions has the routes of what jobs publish: versions of adapters and of programs, which
// one is active, and canaries. Workers do what is asked.
package versions

import (
	"net/http"
	"strconv"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/train"
)

// API has the routes.
type API struct {
	Workers api.Asker
}

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	route := func(method, path, name, tag, summary string, request, response any, query []api.Param, handle api.Handler) api.Route {
		return api.Route{
			Method: method, Path: path, Name: name, Tag: tag, Summary: summary, Request: request, Response: response, Query: query,
			Errors: []int{http.StatusNotFound, http.StatusBadGateway}, Handle: handle,
		}
	}
	const adapters, programs = "adapters", "programs"
	get, post := http.MethodGet, http.MethodPost
	return []api.Route{
		route(get, "/adapters", "listAdapters", adapters, "List published adapters, the latest version first", nil, registry.AdapterList{}, adapterParams(), a.adapters),
		route(post, "/adapters/{name}/{version}/activate", "activateAdapter", adapters, "Make a version serve its role", Activate{}, RoleChange{}, nil, a.activate),
		route(post, "/roles/{role}/deactivate", "deactivateAdapter", adapters, "Have a role served by its base model", nil, RoleChange{}, nil, a.role("DeactivateAdapter")),
		route(post, "/roles/{role}/rollback", "rollbackAdapter", adapters, "Reactivate the previous adapter of a role", nil, RoleChange{}, nil, a.role("RollbackAdapter")),
		route(get, "/programs", "listPrograms", programs, "List published programs, the latest version first", nil, registry.ProgramList{}, nameParams(), a.programs),
		route(get, "/programs/{name}/{version}", "getProgram", programs, "One version of a program: scores, instructions, demos", nil, registry.ProgramDetail{}, nil, a.program),
		route(get, "/programs/{name}/{version}/diff", "diffPrograms", programs, "What changed between two versions, word by word", nil, Compared{}, diffParams(), a.diff),
		route(post, "/programs/{name}/{version}/promote", "promoteProgram", programs, "Make a version active", Promote{}, training.Role{}, nil, a.promote),
		route(post, "/programs/{name}/{version}/canary", "canaryProgram", programs, "Give a version to a share of all keys, or end that", Canary{}, training.Role{}, nil, a.canary),
		route(post, "/programs/{name}/rollback", "rollbackProgram", programs, "Reactivate the previous version", nil, training.Role{}, nil, a.rollback),
	}
}

func nameParams() []api.Param { return []api.Param{{Name: "name", Text: "only this name"}} }

func adapterParams() []api.Param {
	return append(nameParams(), api.Param{Name: "role", Text: "only this role"})
}

func common(c api.Caller) workflows.Common {
	return workflows.Common{Tenant: string(c.Tenant), Priority: 1}
}

// RoleChange describes train.ActivateAdapterResult, whose embedded Role hides the field of the same
// name from the library that makes the schema.
type RoleChange struct {
	Role    string                `json:"role"`
	Active  *training.Activation  `json:"active,omitempty"`
	Canary  *training.Canary      `json:"canary,omitempty"`
	History []training.Activation `json:"history"`
	Loaded  string                `json:"loaded,omitempty"`
}

// Activate says how a version of an adapter is activated.
type Activate struct {
	Role  string `json:"role,omitempty" jsonschema:"role to serve; default: the adapter's own"`
	Force bool   `json:"force,omitempty" jsonschema:"allow a version that is not better than its base"`
}

// named reads the name and the version in the path of a request.
func named(r *http.Request, kind string) (name string, version int, err error) {
	name, text := r.PathValue("name"), r.PathValue("version")
	if err := training.CheckName(kind, name); err != nil {
		return "", 0, api.BadField("name", err.Error())
	}
	version, err = strconv.Atoi(text)
	if err != nil || version < 1 || strconv.Itoa(version) != text {
		return "", 0, api.BadField("version", "a version is a number from 1; GET /"+kind+"s lists them")
	}
	return name, version, nil
}

func (a *API) adapters(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, adapterParams())
	if err := q.Err(); err != nil {
		return err
	}
	in := train.ListAdaptersInput{Common: common(c), Name: q.Text("name"), Role: q.Text("role")}
	return ask[registry.AdapterList](a, w, r, c, "ListAdapters", "list adapters", in)
}

func (a *API) activate(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	name, version, err := named(r, "adapter")
	var how Activate
	if err == nil {
		err = api.Decode(r, &how)
	}
	if err != nil {
		return err
	}
	if how.Role != "" {
		if err := training.CheckName("role", how.Role); err != nil {
			return api.BadField("role", err.Error())
		}
	}
	in := train.ActivateAdapterInput{Common: common(c), Name: name, Version: version, Role: how.Role, Force: how.Force}
	return ask[train.ActivateAdapterResult](a, w, r, c, "ActivateAdapter", "activate adapter", in)
}

// role changes what serves the role in the path.
func (a *API) role(kind string) api.Handler {
	return func(w http.ResponseWriter, r *http.Request, c api.Caller) error {
		role := r.PathValue("role")
		if err := training.CheckName("role", role); err != nil {
			return api.BadField("role", err.Error())
		}
		return ask[train.ActivateAdapterResult](a, w, r, c, kind, "change role", train.ActivateAdapterInput{Common: common(c), Role: role})
	}
}

// ask answers a request with the result of a short workflow.
func ask[T any](a *API, w http.ResponseWriter, r *http.Request, c api.Caller, kind, summary string, in any) error {
	var out T
	err := a.Workers.Ask(r.Context(), api.Question{Kind: kind, Stem: "versions", Tenant: c.Tenant, Summary: summary, Input: in}, &out)
	if err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

package versions

import (
	"context"
	"net/http"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/diff"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// Promote says how a version of a program is promoted.
type Promote struct {
	Force bool `json:"force,omitempty" jsonschema:"allow a version that is not better than the default"`
}

// Canary says which share of all keys gets a version.
type Canary struct {
	Share *int `json:"share" jsonschema:"percentage of keys that get the canary, 1 to 100; 0 ends the canary"`
	Force bool `json:"force,omitempty" jsonschema:"allow a version that is not better than the default"`
}

// Compared are two versions of a program.
type Compared struct {
	Before     registry.ProgramLine `json:"before"`
	After      registry.ProgramLine `json:"after"`
	Changed    bool                 `json:"changed"` // instructions or demos
	Predictors []diff.Predictor     `json:"predictors"`
}

func diffParams() []api.Param {
	return []api.Param{{Name: "with", Text: "the version before, with which it is compared", Required: true}}
}

func (a *API) programs(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, nameParams())
	if err := q.Err(); err != nil {
		return err
	}
	return ask[registry.ProgramList](a, w, r, c, "ListPrograms", "list programs", optimize.ListProgramsInput{Common: common(c), Name: q.Text("name")})
}

func (a *API) program(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	return change[registry.ProgramDetail](a, w, r, c, "ShowProgram", "show program", nil, nil)
}

func (a *API) promote(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	var how Promote
	return change[training.Role](a, w, r, c, "PromoteProgram", "promote program", &how, func(in *optimize.ProgramInput) error {
		in.Force = how.Force
		return nil
	})
}

func (a *API) canary(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	var how Canary
	return change[training.Role](a, w, r, c, "CanaryProgram", "change canary", &how, func(in *optimize.ProgramInput) error {
		if how.Share == nil {
			return api.BadField("share", "the share is required; 0 ends the canary")
		}
		in.Share, in.Force = *how.Share, how.Force
		if in.Share == 0 {
			return nil
		}
		if err := training.CheckShare(in.Share); err != nil {
			return api.BadField("share", err.Error())
		}
		return nil
	})
}

func (a *API) rollback(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	name := r.PathValue("name")
	if err := training.CheckName("program", name); err != nil {
		return api.BadField("name", err.Error())
	}
	return ask[training.Role](a, w, r, c, "RollbackProgram", "roll back program", optimize.ProgramInput{Common: common(c), Name: name})
}

// change asks about the version in the path. body is what the request says, nil = nothing.
func change[T any](a *API, w http.ResponseWriter, r *http.Request, c api.Caller, kind, summary string, body any, set func(*optimize.ProgramInput) error) error {
	name, version, err := named(r, "program")
	if err != nil {
		return err
	}
	in := optimize.ProgramInput{Common: common(c), Name: name, Version: version}
	if body != nil {
		if err := api.Decode(r, body); err != nil {
			return err
		}
		if err := set(&in); err != nil {
			return err
		}
	}
	return ask[T](a, w, r, c, kind, summary, in)
}

// diff compares the version in the path with an earlier one.
func (a *API) diff(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	name, version, err := named(r, "program")
	if err != nil {
		return err
	}
	q := api.Query(r, diffParams())
	with := int(q.Int("with", 0, 1, 1<<30))
	if err := q.Err(); err != nil {
		return err
	}
	if with == 0 {
		return api.BadField("with", "name the version with which it is compared")
	}
	before, first, err := a.read(r.Context(), c, name, with)
	if err != nil {
		return err
	}
	after, second, err := a.read(r.Context(), c, name, version)
	if err != nil {
		return err
	}
	out := Compared{Before: before.Line(), After: after.Line(), Predictors: diff.Programs(first, second)}
	for _, p := range out.Predictors {
		out.Changed = out.Changed || p.Changed
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (a *API) read(ctx context.Context, c api.Caller, name string, version int) (d registry.ProgramDetail, p *prompt.Program, err error) {
	in := optimize.ProgramInput{Common: common(c), Name: name, Version: version}
	err = a.Workers.Ask(ctx, api.Question{Kind: "ShowProgram", Stem: "versions", Tenant: c.Tenant, Summary: "compare programs", Input: in}, &d)
	if err == nil {
		p, err = prompt.Read(d.Program)
	}
	return d, p, err
}

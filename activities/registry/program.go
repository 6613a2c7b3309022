package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Programs are the activities about published programs.
type Programs struct {
	Store activities.Store
}

// ProgramVersions are the versions of a tenant's programs.
func ProgramVersions(s activities.Store, t tenant.ID) Versions {
	return Versions{s, string(t) + "/programs/"}
}

// The files of a published program.
const (
	ProgramFile = "program.json" // as DSPy's save writes it
	StateFile   = "state.json"   // as DSPy's dump_state returns it
	SourceFile  = "source.json"  // as cogflow reads it: `optimize --program`
	TrialsFile  = "trials.jsonl"
)

// ListProgramsInput asks for the published programs of a tenant.
type ListProgramsInput struct {
	Tenant tenant.ID `json:"tenant"`
	Name   string    `json:"name,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in ListProgramsInput) Owner() tenant.ID { return in.Tenant }

// ProgramInput names a program.
type ProgramInput struct {
	Tenant  tenant.ID `json:"tenant"`
	Name    string    `json:"name"`
	Version int       `json:"version,omitempty"` // 0 = the active one, else the latest
	Latest  bool      `json:"latest,omitempty"`  // version 0 = the latest, active or not
}

// Owner is the tenant that the activity works for.
func (in ProgramInput) Owner() tenant.ID { return in.Tenant }

// ProgramList is the list of programs: by name, the latest version first.
type ProgramList struct {
	Programs []ProgramLine `json:"programs"`       // latest version first
	More     bool          `json:"more,omitempty"` // true if there are more than MaxAdapters
}

// ProgramLine is one version in the list of programs.
type ProgramLine struct {
	Name    string    `json:"name"`            // name
	Version int       `json:"version"`         // version
	Status  string    `json:"status"`          // "active", "canary", "deprecated", "inactive", "damaged" (one of its files or its role cannot be read)
	Share   int       `json:"share,omitempty"` // of a canary: percent of the keys
	Mode    string    `json:"mode"`            // "compat", "improved" or "gepa"
	Default float64   `json:"default_score"`   // score of the default program, in percent
	Score   float64   `json:"score"`           // score of this version, in percent
	Promote bool      `json:"confirmed"`       // better than the default on rows that the search never saw
	Rows    int       `json:"rows,omitempty"`  // rows that it was compared on; 0 = not confirmed: the scores are optimistic
	Calls   int       `json:"calls"`           // paid calls
	CostUSD float64   `json:"cost_usd"`        // paid in all, in USD
	Created time.Time `json:"created"`         // time of publication
}

// ListPrograms lists the published programs. A damaged version has a name, a number, that
// status and what else could be read.
func (a *Programs) ListPrograms(ctx context.Context, in ListProgramsInput) (ProgramList, error) {
	out := ProgramList{Programs: []ProgramLine{}}
	versions, err := ProgramVersions(a.Store, in.Tenant).versions(ctx, in.Name)
	if err != nil {
		return out, err
	}
	slices.SortStableFunc(versions, func(x, y publishedVersion) int {
		if c := strings.Compare(x.name, y.name); c != 0 {
			return c
		}
		return y.number - x.number
	})
	for _, v := range versions {
		if !v.whole {
			continue
		}
		if len(out.Programs) == MaxAdapters {
			out.More = true
			break
		}
		d, err := ReadProgram(ctx, a.Store, in.Tenant, v.name, v.number)
		if isDamaged(err) {
			d.Name, d.Version, d.Status, err = v.name, v.number, statusDamaged, nil
		}
		if err != nil {
			return out, err
		}
		out.Programs = append(out.Programs, d.Line())
	}
	return out, nil
}

// ProgramDetail describes one version.
type ProgramDetail struct {
	prompt.Release
	Status  string               `json:"status"`           // as in ProgramLine
	Prefix  string               `json:"prefix"`           // prefix of its files in the store
	Program json.RawMessage      `json:"program"`          // the program itself
	Active  *training.Activation `json:"active,omitempty"` // of all versions; nil = none
	Canary  *training.Canary     `json:"canary,omitempty"` // of all versions; nil = none
}

// Line is the version in a list.
func (d ProgramDetail) Line() ProgramLine {
	line := ProgramLine{
		Name: d.Name, Version: d.Version, Status: d.Status, Mode: d.Mode, Default: d.Default, Score: d.Score,
		Promote: d.Verdict.Promote, Rows: d.Verdict.Examples, Calls: d.Calls, CostUSD: d.CostUSD, Created: d.Created,
	}
	if d.Status == statusCanary {
		line.Share = d.Canary.Share
	}
	return line
}

// ShowProgram describes one version; 0 = the active one, else the latest. It passes over
// damaged ones where neither that one nor explicitly the latest is asked for.
func (a *Programs) ShowProgram(ctx context.Context, in ProgramInput) (ProgramDetail, error) {
	if in.Version == 0 && !in.Latest {
		role, _, err := readRole(ctx, a.Store, programRole(in.Tenant, in.Name), in.Name)
		if err != nil {
			return ProgramDetail{}, err
		}
		if role.Active != nil {
			in.Version = role.Active.Version
		}
	}
	versions, err := ProgramVersions(a.Store, in.Tenant).versions(ctx, in.Name)
	if err != nil {
		return ProgramDetail{}, err
	}
	var damaged error // of the latest
	for _, v := range slices.Backward(versions) {
		if !v.whole || in.Version != 0 && v.number != in.Version {
			continue
		}
		d, err := ReadProgram(ctx, a.Store, in.Tenant, in.Name, v.number)
		if !isDamaged(err) || in.Version != 0 || in.Latest {
			return d, err
		}
		damaged = cmp.Or(damaged, err)
	}
	return ProgramDetail{}, cmp.Or(damaged, noProgram(in.Name, in.Version))
}

func noProgram(name string, version int) error {
	if version != 0 {
		name = fmt.Sprintf("%s@%d", name, version)
	}
	return fault.New(fault.Input, "find program", name, "not found; `cogflow programs list` shows the published ones")
}

// statusCanary is the status of a canary.
const statusCanary = "canary"

func programRole(t tenant.ID, name string) string {
	return string(t) + "/programs/_roles/" + name + ".json"
}

// ReadProgram describes one version.
func ReadProgram(ctx context.Context, s activities.Store, t tenant.ID, name string, version int) (ProgramDetail, error) {
	d := ProgramDetail{Prefix: ProgramVersions(s, t).At(name, version), Status: statusInactive}
	err := activities.ReadJSON(ctx, s, d.Prefix+training.ManifestName, &d.Release)
	if errors.Is(err, object.ErrNotFound) {
		return d, noProgram(name, version)
	}
	if err == nil {
		err = activities.ReadJSON(ctx, s, d.Prefix+SourceFile, &d.Program)
	}
	if err != nil {
		return d, damage("read program", reference(name, version), err)
	}
	role, _, err := readRole(ctx, s, programRole(t, name), name)
	d.Active, d.Canary = role.Active, role.Canary
	if role.Active != nil && role.Active.Version == version {
		d.Status = StatusActive
	} else if role.Canary != nil && role.Canary.Version == version {
		d.Status = statusCanary
	} else if slices.ContainsFunc(role.History, func(x training.Activation) bool { return x.Version == version }) {
		d.Status = statusDeprecated
	}
	return d, err
}

// ChangeProgram promotes a version, rolls back to the previous one, or starts or stops a
// canary.
func (a *Programs) ChangeProgram(ctx context.Context, in RoleInput) (training.Role, error) {
	if in.Do == DoActivate || in.Do == DoCanary {
		if _, err := ReadProgram(ctx, a.Store, in.Tenant, in.Name, in.Version); err != nil {
			return training.Role{}, err
		}
	}
	return changeRole(ctx, a.Store, programRole(in.Tenant, in.Role), in)
}

// ReadProgramRole says which version is active, and which is the canary.
func (a *Programs) ReadProgramRole(ctx context.Context, in RoleInput) (training.Role, error) {
	role, _, err := readRole(ctx, a.Store, programRole(in.Tenant, in.Role), in.Role)
	return role, err
}

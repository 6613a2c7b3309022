package registry

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Adapters are the activities about published adapters.
type Adapters struct {
	Store   activities.Store
	Serving Serving // nil = this worker reaches no server that loads adapters
}

// Serving loads adapters into model servers.
type Serving interface {
	// Serves reports whether a server that this worker reaches loads adapters of a base model.
	// One that this host starts on demand counts if it runs, or if this worker can start it.
	Serves(ctx context.Context, base string) bool
	// Restarts reports whether the server runs and is one that this host starts on demand: it
	// loads the active adapters whenever it starts.
	Restarts(ctx context.Context, base string) bool
	// Load makes a server serve the adapter in dir under a name, and proves it by a
	// request: for a vector from an embedding model, for text from others. Loading it again
	// is not an error.
	Load(ctx context.Context, base, name, dir string, embedding bool) error
	Unload(ctx context.Context, base, name string) error
	// Dir is where the server of a base model looks for adapters.
	Dir(base string) string
}

// AdapterVersions are the versions of a tenant's adapters.
func AdapterVersions(s activities.Store, t tenant.ID) Versions {
	return Versions{s, training.AdaptersPrefix(t)}
}

// ListAdaptersInput asks for the published adapters of a tenant.
type ListAdaptersInput struct {
	Tenant tenant.ID `json:"tenant"`
	Name   string    `json:"name,omitempty"`
	Role   string    `json:"role,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in ListAdaptersInput) Owner() tenant.ID { return in.Tenant }

// AdapterLine is one version in the list of adapters.
type AdapterLine struct {
	Name    string             `json:"name"`              // name
	Version int                `json:"version"`           // version
	Role    string             `json:"role"`              // what it is used for
	Status  string             `json:"status"`            // "active", "deprecated" (was active before), "inactive", "damaged" (its manifest or its role cannot be read)
	Kind    string             `json:"kind"`              // "adapter", or "model" for all weights
	Method  training.Method    `json:"method"`            // sft, dpo, kto or embedding
	Base    string             `json:"base_model"`        // base model
	Better  bool               `json:"better"`            // true if better than its base on held-out rows
	Ended   string             `json:"ended"`             // "done", "stopped"
	Metrics map[string]float64 `json:"metrics,omitempty"` // on held-out rows
	Job     string             `json:"job"`               // job that trained it
	Bytes   int64              `json:"bytes"`             // size of all files
	Created time.Time          `json:"created"`           // time of publication
}

// AdapterList is the list: by name, the latest version first.
type AdapterList struct {
	Adapters []AdapterLine `json:"adapters"`       // latest version first
	More     bool          `json:"more,omitempty"` // true if there are more than MaxAdapters
}

// MaxAdapters limits a list, because it is a payload.
const MaxAdapters = 500

// ListAdapters lists what is published. A damaged version has a name, a number, that status
// and what else could be read; without a role it is listed under every role.
func (a *Adapters) ListAdapters(ctx context.Context, in ListAdaptersInput) (AdapterList, error) {
	out := AdapterList{Adapters: []AdapterLine{}}
	versions, err := AdapterVersions(a.Store, in.Tenant).versions(ctx, in.Name)
	if err != nil {
		return out, err
	}
	slices.SortStableFunc(versions, func(x, y publishedVersion) int {
		return cmp.Or(strings.Compare(x.name, y.name), y.number-x.number)
	})
	for _, v := range versions {
		if !v.whole {
			continue
		}
		if len(out.Adapters) == MaxAdapters {
			out.More = true
			break
		}
		m, status, err := ReadAdapter(ctx, a.Store, in.Tenant, v.name, v.number)
		if isDamaged(err) {
			m.Name, m.Version, status, err = v.name, v.number, statusDamaged, nil
		}
		if err != nil {
			return out, err
		}
		if in.Role == "" || m.Role == in.Role || status == statusDamaged && m.Role == "" {
			out.Adapters = append(out.Adapters, line(m, status))
		}
	}
	return out, nil
}

func line(m training.Adapter, status string) AdapterLine {
	l := AdapterLine{
		Name: m.Name, Version: m.Version, Role: m.Role, Status: status, Kind: m.Kind, Method: m.Spec.Method,
		Base: m.Base.Name, Better: m.Outcome.Better(), Ended: m.Outcome.Ended, Metrics: m.Outcome.Metrics,
		Job: m.Job, Created: m.Created,
	}
	for _, f := range m.Files {
		l.Bytes += f.Size
	}
	return l
}

// AdapterInput names an adapter.
type AdapterInput struct {
	Tenant  tenant.ID `json:"tenant"`
	Name    string    `json:"name"`
	Version int       `json:"version,omitempty"` // 0 = the active one of its role, else the latest
	Latest  bool      `json:"latest,omitempty"`  // version 0 = the latest, active or not
}

// Owner is the tenant that the activity works for.
func (in AdapterInput) Owner() tenant.ID { return in.Tenant }

// AdapterDetail describes one adapter.
type AdapterDetail struct {
	training.Adapter
	Status string `json:"status"` // "active", "deprecated" (was active before) or "inactive"
	Prefix string `json:"prefix"` // prefix of its files in the store
}

// ShowAdapter describes one version. It passes over a damaged one, unless that is the one
// asked for: by its number, as the active one or as the latest.
func (a *Adapters) ShowAdapter(ctx context.Context, in AdapterInput) (AdapterDetail, error) {
	versions, err := AdapterVersions(a.Store, in.Tenant).versions(ctx, in.Name)
	if err != nil {
		return AdapterDetail{}, err
	}
	var chosen AdapterDetail
	damaged := map[int]error{}
	none := noAdapter(in.Name, in.Version)
	for _, v := range slices.Backward(versions) {
		if !v.whole || in.Version != 0 && v.number != in.Version {
			continue
		}
		m, status, err := ReadAdapter(ctx, a.Store, in.Tenant, v.name, v.number)
		switch {
		case isDamaged(err) && (!in.Latest || chosen.Version != 0):
			if damaged[v.number] = err; len(damaged) == 1 {
				none = err
			}
			continue
		case err != nil:
			return AdapterDetail{}, err
		}
		if chosen.Version == 0 || status == StatusActive && chosen.Status != StatusActive && !in.Latest {
			chosen = AdapterDetail{Adapter: m, Status: status, Prefix: training.AdapterPrefix(in.Tenant, m.Name, m.Version)}
		}
	}
	switch {
	case chosen.Version == 0:
		return chosen, none
	case in.Latest || chosen.Status == StatusActive || len(damaged) == 0:
		return chosen, nil
	}
	role, _, err := readRole(ctx, a.Store, training.RoleKey(in.Tenant, chosen.Role), chosen.Role)
	if err == nil && role.Active != nil && role.Active.Name == in.Name {
		err = damaged[role.Active.Version]
	}
	return chosen, err
}

func noAdapter(name string, version int) error {
	if version != 0 {
		name += "@" + strconv.Itoa(version)
	}
	return fault.New(fault.Input, "find adapter", name, "not found; `cogflow adapters list` shows the published ones")
}

// The status of a version within its role.
const (
	StatusActive     = "active"
	statusInactive   = "inactive"
	statusDeprecated = "deprecated"
	statusDamaged    = "damaged" // in a list: it is not known
)

func readManifest(ctx context.Context, s activities.Store, t tenant.ID, name string, version int) (m training.Adapter, err error) {
	err = activities.ReadJSON(ctx, s, training.AdapterPrefix(t, name, version)+training.ManifestName, &m)
	if errors.Is(err, object.ErrNotFound) {
		return m, noAdapter(name, version)
	}
	return m, damage("read adapter", reference(name, version), err)
}

// ReadAdapter reads a manifest, and the status of the version in its role.
func ReadAdapter(ctx context.Context, s activities.Store, t tenant.ID, name string, version int) (training.Adapter, string, error) {
	m, err := readManifest(ctx, s, t, name, version)
	if err != nil {
		return m, "", err
	}
	role, _, err := readRole(ctx, s, training.RoleKey(t, m.Role), m.Role)
	if err != nil {
		return m, "", err
	}
	is := func(x training.Activation) bool { return x.Name == name && x.Version == version }
	switch {
	case role.Active != nil && is(*role.Active):
		return m, StatusActive, nil
	case slices.ContainsFunc(role.History, is):
		return m, statusDeprecated, nil
	}
	return m, statusInactive, nil
}

package activities

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// reservation says which job a version of an adapter is of. It is created
// conditionally, so that two jobs never write into one version.
type reservation struct {
	Job   string `json:"job"`
	Ended string `json:"ended"`
	Steps int    `json:"steps"`
}

const reservationName = "job.json"

// reserveVersion finds the version of a job, or takes the next. done says that
// it is published already.
func (a *Train) reserveVersion(ctx context.Context, in PublishAdapterInput, o training.Outcome) (version int, done bool, err error) {
	mine := reservation{Job: in.Job, Ended: o.Ended, Steps: o.Steps}
	for {
		last := 0
		versions, err := a.versions(ctx, in.Tenant, in.Name)
		if err != nil {
			return 0, false, err
		}
		for _, v := range versions {
			last = max(last, v.number)
			var of reservation
			key := training.AdapterPrefix(in.Tenant, in.Name, v.number) + reservationName
			if err := readJSON(ctx, a.Store, key, &of); err != nil && !absent(err) {
				return 0, false, err
			}
			if of == mine {
				return v.number, v.whole, nil
			}
		}
		key := training.AdapterPrefix(in.Tenant, in.Name, last+1) + reservationName
		err = createJSON(ctx, a.Store, key, mine)
		if !errors.Is(err, object.ErrExists) {
			return last + 1, false, err
		}
	}
}

type adapterVersion struct {
	name   string
	number int
	whole  bool // has its manifest
}

// versions lists the versions of an adapter (empty = of all), ascending by name and number.
func (a *Train) versions(ctx context.Context, t tenant.ID, name string) ([]adapterVersion, error) {
	var out []adapterVersion
	prefix := training.AdaptersPrefix(t)
	under := prefix
	if name != "" {
		under += name + "/"
	}
	err := a.Store.List(ctx, under, func(o object.Info) error {
		parts := strings.Split(strings.TrimPrefix(o.Key, prefix), "/")
		if len(parts) != 3 || (parts[2] != training.ManifestName && parts[2] != reservationName) {
			return nil // a file of an adapter, or a role
		}
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil //nolint:nilerr // not one of ours
		}
		v := adapterVersion{name: parts[0], number: n, whole: parts[2] == training.ManifestName}
		if i := slices.IndexFunc(out, func(x adapterVersion) bool { return x.name == v.name && x.number == n }); i >= 0 {
			out[i].whole = out[i].whole || v.whole
			return nil
		}
		out = append(out, v)
		return nil
	})
	slices.SortFunc(out, func(x, y adapterVersion) int {
		return cmp.Or(strings.Compare(x.name, y.name), x.number-y.number)
	})
	return out, err
}

// ListAdaptersInput asks for the published adapters of a tenant.
type ListAdaptersInput struct {
	Tenant tenant.ID `json:"tenant"`
	Name   string    `json:"name,omitempty"`
	Role   string    `json:"role,omitempty"`
}

// AdapterLine is a line of the list.
type AdapterLine struct {
	Name    string             `json:"name"`
	Version int                `json:"version"`
	Role    string             `json:"role"`
	Status  string             `json:"status"` // "active", "deprecated" (was active before), "inactive"
	Kind    string             `json:"kind"`   // training.KindAdapter, training.KindModel
	Method  training.Method    `json:"method"`
	Base    string             `json:"base_model"`
	Better  bool               `json:"better"` // than its base, on held-out rows
	Ended   string             `json:"ended"`  // "done", "stopped"
	Metrics map[string]float64 `json:"metrics,omitempty"`
	Job     string             `json:"job"`
	Bytes   int64              `json:"bytes"`
	Created time.Time          `json:"created"`
}

// AdapterList is the list: by name, the latest version first.
type AdapterList struct {
	Adapters []AdapterLine `json:"adapters"`
	More     bool          `json:"more,omitempty"` // there are more than MaxAdapters
}

// MaxAdapters bounds a list: it is a payload.
const MaxAdapters = 500

// ListAdapters lists what is published.
func (a *Train) ListAdapters(ctx context.Context, in ListAdaptersInput) (AdapterList, error) {
	out := AdapterList{Adapters: []AdapterLine{}}
	versions, err := a.versions(ctx, in.Tenant, in.Name)
	if err != nil {
		return out, err
	}
	slices.SortStableFunc(versions, func(x, y adapterVersion) int {
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
		m, status, err := a.adapter(ctx, in.Tenant, v.name, v.number)
		if err != nil {
			return out, err
		}
		if in.Role == "" || m.Role == in.Role {
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
}

// AdapterDetail is all that is known of one.
type AdapterDetail struct {
	training.Adapter
	Status string `json:"status"`
	Prefix string `json:"prefix"` // where its files lie in the store
}

// ShowAdapter describes one version.
func (a *Train) ShowAdapter(ctx context.Context, in AdapterInput) (AdapterDetail, error) {
	versions, err := a.versions(ctx, in.Tenant, in.Name)
	if err != nil {
		return AdapterDetail{}, err
	}
	var chosen AdapterDetail
	for _, v := range slices.Backward(versions) {
		if !v.whole || in.Version != 0 && v.number != in.Version {
			continue
		}
		m, status, err := a.adapter(ctx, in.Tenant, v.name, v.number)
		if err != nil {
			return AdapterDetail{}, err
		}
		if chosen.Version == 0 || status == statusActive && chosen.Status != statusActive {
			chosen = AdapterDetail{Adapter: m, Status: status, Prefix: training.AdapterPrefix(in.Tenant, m.Name, m.Version)}
		}
	}
	if chosen.Version == 0 {
		return chosen, noAdapter(in.Name, in.Version)
	}
	return chosen, nil
}

func noAdapter(name string, version int) error {
	if version != 0 {
		name += "@" + strconv.Itoa(version)
	}
	return fault.New(fault.Input, "find adapter", name, "there is none; `cogflow adapters list` shows what there is")
}

const (
	statusActive     = "active"
	statusInactive   = "inactive"
	statusDeprecated = "deprecated"
)

// adapter reads a manifest and what its role says of it.
func (a *Train) adapter(ctx context.Context, t tenant.ID, name string, version int) (training.Adapter, string, error) {
	var m training.Adapter
	err := readJSON(ctx, a.Store, training.AdapterPrefix(t, name, version)+training.ManifestName, &m)
	if absent(err) {
		return m, "", noAdapter(name, version)
	}
	if err != nil {
		return m, "", err
	}
	role, _, err := a.role(ctx, t, m.Role)
	if err != nil {
		return m, "", err
	}
	is := func(x training.Activation) bool { return x.Name == name && x.Version == version }
	switch {
	case role.Active != nil && is(*role.Active):
		return m, statusActive, nil
	case slices.ContainsFunc(role.History, is):
		return m, statusDeprecated, nil
	}
	return m, statusInactive, nil
}

// role reads a role; its hash is empty when there is none yet.
func (a *Train) role(ctx context.Context, t tenant.ID, name string) (training.Role, string, error) {
	role := training.Role{Role: name, History: []training.Activation{}}
	key := training.RoleKey(t, name)
	info, err := a.Store.Stat(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return role, "", nil
	}
	if err == nil {
		err = readJSON(ctx, a.Store, key, &role)
	}
	return role, info.SHA256, err
}

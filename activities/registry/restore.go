package registry

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// rolesRead is how many tenants' roles are read at a time.
const rolesRead = 16

// ServedName is the name under which a model server serves an adapter.
func ServedName(t tenant.ID, name string, version int) string {
	return fmt.Sprintf("%s/%s@%d", t, name, version)
}

// active is an adapter that serves a role.
type active struct {
	tenant  tenant.ID
	role    string
	adapter training.Adapter
}

// Restore loads the active adapters of a base model into its server, which forgets them when it
// restarts. It stops at the first that cannot be loaded. Loading one again is not an error.
func Restore(ctx context.Context, a *Adapters, tenants []tenant.ID, base string) error {
	found := make([][]active, len(tenants))
	var group panics.Group
	group.SetLimit(rolesRead)
	for i, t := range tenants {
		group.Go(func() (err error) {
			found[i], err = actives(activities.WithTenant(ctx, t), a.Store, t, base)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	loaded := map[string]bool{} // an adapter can serve several roles
	for _, one := range slices.Concat(found...) {
		name := ServedName(one.tenant, one.adapter.Name, one.adapter.Version)
		if loaded[name] {
			continue
		}
		if err := a.load(activities.WithTenant(ctx, one.tenant), one.tenant, base, one.adapter); err != nil {
			return notRestored(ctx, one, err)
		}
		loaded[name] = true
	}
	return nil
}

// actives are the adapters of a base model that serve a tenant's roles.
func actives(ctx context.Context, s activities.Store, t tenant.ID, base string) (out []active, err error) {
	prefix := strings.TrimSuffix(training.RoleKey(t, ""), ".json")
	err = s.List(ctx, prefix, func(o object.Info) error {
		name, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, prefix), ".json")
		if !ok {
			return nil
		}
		role, _, err := readRole(ctx, s, o.Key, name)
		if err != nil {
			return notRestored(ctx, active{tenant: t, role: name, adapter: training.Adapter{Name: name}}, err)
		}
		if role.Active == nil {
			return nil
		}
		m, err := readManifest(ctx, s, t, role.Active.Name, role.Active.Version)
		switch {
		case err != nil:
			m.Name, m.Version = role.Active.Name, role.Active.Version
			return notRestored(ctx, active{tenant: t, role: name, adapter: m}, err)
		case m.Kind == training.KindAdapter && m.Base.Name == base:
			out = append(out, active{tenant: t, role: name, adapter: m})
		}
		return nil
	})
	return out, err
}

// notRestored names the adapter that a server lacks, and says what to do.
func notRestored(ctx context.Context, of active, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	name := ServedName(of.tenant, of.adapter.Name, of.adapter.Version)
	if of.adapter.Version == 0 {
		name = string(of.tenant) + "/" + of.role
	}
	class := fault.ClassOf(err)
	if class == "" {
		class = fault.Transport
	}
	return &fault.Error{
		Class: class, Op: "load active adapter", Subject: name, RetryAfter: fault.RetryAfter(err), Err: err,
		Reason: fmt.Sprintf("its server is not used without it; if the adapter is at fault, deactivate it: cogflow adapters deactivate %s --tenant %s", of.role, of.tenant),
	}
}

// load puts an adapter into the folder of a server, loads it, and proves that it answers.
func (a *Adapters) load(ctx context.Context, t tenant.ID, base string, m training.Adapter) error {
	dir := filepath.Join(a.Serving.Dir(base), string(t), m.Name, strconv.Itoa(m.Version))
	if err := a.unpack(ctx, m, training.AdapterPrefix(t, m.Name, m.Version), dir); err != nil {
		return err
	}
	return a.Serving.Load(ctx, base, ServedName(t, m.Name, m.Version), dir, m.Spec.Method == training.Embedding)
}

// stillServed loads the active adapter again if its server may have restarted after ServeAdapter
// and before the role changed: then it did not load it by itself.
func (a *Adapters) stillServed(ctx context.Context, t tenant.ID, is training.Activation) error {
	m, err := readManifest(ctx, a.Store, t, is.Name, is.Version)
	if err != nil || m.Kind != training.KindAdapter || !a.Serving.Restarts(ctx, m.Base.Name) {
		return err
	}
	return a.load(ctx, t, m.Base.Name, m)
}

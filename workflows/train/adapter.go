package train

import (
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

// ListAdapters lists the published adapters.
func ListAdapters(ctx workflow.Context, in ListAdaptersInput) (registry.AdapterList, error) {
	if err := in.check(ctx); err != nil {
		return registry.AdapterList{}, workflows.Typed(err)
	}
	var a *registry.Adapters
	out, err := workflows.Call(workflows.NewCaller(in.Common).Metadata(ctx, "list adapters"), a.ListAdapters,
		registry.ListAdaptersInput{Tenant: tenant.ID(in.Tenant), Name: in.Name, Role: in.Role})
	return out, workflows.StagedIf("list", err)
}

// ShowAdapter describes one adapter.
func ShowAdapter(ctx workflow.Context, in ShowAdapterInput) (registry.AdapterDetail, error) {
	if err := in.check(ctx); err != nil {
		return registry.AdapterDetail{}, workflows.Typed(err)
	}
	out, err := showAdapter(ctx, workflows.NewCaller(in.Common), in.Tenant, in.Name, in.Version)
	return out, workflows.StagedIf("show", err)
}

func showAdapter(ctx workflow.Context, c workflows.Caller, t, name string, version int) (registry.AdapterDetail, error) {
	var a *registry.Adapters
	return workflows.Call(c.Metadata(ctx, "find adapter "+workflows.Cell(name)), a.ShowAdapter,
		registry.AdapterInput{Tenant: tenant.ID(t), Name: name, Version: version})
}

// ActivateAdapter makes a version the active one of its role, and loads it into the model
// server if one is configured.
func ActivateAdapter(ctx workflow.Context, in ActivateAdapterInput) (ActivateAdapterResult, error) {
	if err := in.check(ctx, "name", in.Name); err != nil {
		return ActivateAdapterResult{}, workflows.Typed(err)
	}
	c := workflows.NewCaller(in.Common)
	var a *registry.Adapters
	found, err := workflows.Call(c.Metadata(ctx, "find adapter "+workflows.Cell(in.Name)), a.ShowAdapter,
		registry.AdapterInput{Tenant: tenant.ID(in.Tenant), Name: in.Name, Version: in.Version, Latest: true})
	if err != nil {
		return ActivateAdapterResult{}, workflows.Staged("find", err)
	}
	if !found.Outcome.Better() && !in.Force {
		return ActivateAdapterResult{}, workflows.Typed(fault.New(fault.Input, "activate adapter", in.Name,
			"on held-out rows it was not significantly better than "+found.Outcome.Comparison.Reference()+"; force activates it anyway"))
	}
	role := in.Role
	if role == "" {
		role = found.Role
	}
	out, err := activate(ctx, c, registry.RoleInput{
		Tenant: tenant.ID(in.Tenant), Role: role, Do: registry.DoActivate, Name: found.Name, Version: found.Version,
	}, found.Base.Name)
	return out, workflows.StagedIf("activate", err)
}

// DeactivateAdapter deactivates the adapter of a role.
func DeactivateAdapter(ctx workflow.Context, in ActivateAdapterInput) (ActivateAdapterResult, error) {
	return changeRole(ctx, in, registry.DoDeactivate)
}

// RollbackAdapter reactivates the previous adapter of a role.
func RollbackAdapter(ctx workflow.Context, in ActivateAdapterInput) (ActivateAdapterResult, error) {
	return changeRole(ctx, in, registry.DoRollback)
}

func changeRole(ctx workflow.Context, in ActivateAdapterInput, what string) (ActivateAdapterResult, error) {
	if err := in.check(ctx, "role", in.Role); err != nil {
		return ActivateAdapterResult{}, workflows.Typed(err)
	}
	var a *registry.Adapters
	c := workflows.NewCaller(in.Common)
	change := registry.RoleInput{Tenant: tenant.ID(in.Tenant), Role: in.Role, Do: what}
	before, err := workflows.Call(c.Metadata(ctx, "what serves "+workflows.Cell(in.Role)), a.ReadRole, change)
	if err != nil {
		return ActivateAdapterResult{}, workflows.Staged(what, err)
	}
	change.Seen = before.Active
	next, base := registry.AdapterDetail{}, ""
	if what == registry.DoRollback && len(before.History) > 0 {
		next, err = showAdapter(ctx, c, in.Tenant, before.History[0].Name, before.History[0].Version)
		base = next.Base.Name
	} else if before.Active != nil {
		next, err = showAdapter(ctx, c, in.Tenant, before.Active.Name, before.Active.Version)
		base = next.Base.Name
	}
	if err != nil {
		return ActivateAdapterResult{}, workflows.Staged(what, err)
	}
	out, err := activate(ctx, c, change, base)
	return out, workflows.StagedIf(what, err)
}

// activate loads the new adapter, switches the role, and only then unloads the old one, so
// that one always serves.
func activate(ctx workflow.Context, c workflows.Caller, change registry.RoleInput, base string) (ActivateAdapterResult, error) {
	var a *registry.Adapters
	before, err := workflows.Call(c.Metadata(ctx, "what serves "+workflows.Cell(change.Role)), a.ReadRole, change)
	if err != nil {
		return ActivateAdapterResult{}, err
	}
	next := after(before, change)
	var out ActivateAdapterResult
	if next != nil && base != "" {
		served, err := workflows.Call(c.Copying(ctx, "load "+workflows.Cell(next.Name)), a.ServeAdapter, registry.ServeInput{
			AdapterInput: registry.AdapterInput{Tenant: change.Tenant, Name: next.Name, Version: next.Version}, Base: base,
		})
		if err != nil {
			return out, err
		}
		out.Loaded = served.Name
	}
	if out.Role, err = workflows.Call(c.Metadata(ctx, change.Do+" "+workflows.Cell(change.Role)), a.ChangeRole, change); err != nil {
		return out, err
	}
	if old := before.Active; old != nil && base != "" && (next == nil || old.Name != next.Name || old.Version != next.Version) {
		_, err = workflows.Call(c.Copying(ctx, "unload "+workflows.Cell(old.Name)), a.ServeAdapter, registry.ServeInput{
			AdapterInput: registry.AdapterInput{Tenant: change.Tenant, Name: old.Name, Version: old.Version}, Base: base, Stop: true,
		})
	}
	return out, err
}

// after is the adapter that serves a role after a change; nil = none.
func after(before training.Role, change registry.RoleInput) *training.Activation {
	switch {
	case change.Do == registry.DoActivate:
		return &training.Activation{Name: change.Name, Version: change.Version}
	case change.Do == registry.DoRollback && len(before.History) > 0:
		return &before.History[0]
	}
	return nil
}

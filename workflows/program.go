package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// ListPrograms lists what was optimized and published.
func ListPrograms(ctx workflow.Context, in ListProgramsInput) (registry.ProgramList, error) {
	if err := in.check(ctx); err != nil {
		return registry.ProgramList{}, typed(err)
	}
	var a *registry.Programs
	out, err := call(newCaller(in.Common).metadata(ctx, "list programs"), a.ListPrograms,
		registry.ListProgramsInput{Tenant: tenant.ID(in.Tenant), Name: in.Name})
	return out, stagedIf("list", err)
}

// ShowProgram describes one version of a program, its text included.
func ShowProgram(ctx workflow.Context, in ProgramInput) (registry.ProgramDetail, error) {
	if err := in.check(ctx); err != nil {
		return registry.ProgramDetail{}, typed(err)
	}
	out, err := showProgram(ctx, in)
	return out, stagedIf("show", err)
}

func showProgram(ctx workflow.Context, in ProgramInput) (registry.ProgramDetail, error) {
	var a *registry.Programs
	return call(newCaller(in.Common).metadata(ctx, "find program "+cell(in.Name)), a.ShowProgram,
		registry.ProgramInput{Tenant: tenant.ID(in.Tenant), Name: in.Name, Version: in.Version})
}

// PromoteProgram makes a version the active one.
func PromoteProgram(ctx workflow.Context, in ProgramInput) (training.Role, error) {
	if err := in.check(ctx); err != nil {
		return training.Role{}, typed(err)
	}
	c := newCaller(in.Common)
	found, err := better(ctx, c, in, "promote program", "force promotes it all the same")
	if err != nil {
		return training.Role{}, err
	}
	var a *registry.Programs
	out, err := call(c.metadata(ctx, "promote "+cell(in.Name)), a.ChangeProgram, registry.RoleInput{
		Tenant: tenant.ID(in.Tenant), Role: in.Name, Do: registry.DoActivate, Name: in.Name, Version: found.Version,
	})
	return out, stagedIf("promote", err)
}

// better finds the version that an input names (0 = the latest) and refuses one
// that was not shown to be better, unless it is forced.
func better(ctx workflow.Context, c caller, in ProgramInput, op, forced string) (registry.ProgramDetail, error) {
	var a *registry.Programs
	found, err := call(c.metadata(ctx, "find program "+cell(in.Name)), a.ShowProgram,
		registry.ProgramInput{Tenant: tenant.ID(in.Tenant), Name: in.Name, Version: in.Version, Latest: true})
	if err != nil {
		return found, staged("find", err)
	}
	if !found.Verdict.Promote && !in.Force {
		return found, typed(fault.New(fault.Input, op, in.Name,
			"rows that no search saw do not show it to be better than the default; "+forced))
	}
	return found, nil
}

// RollbackProgram makes the version active again that was before.
func RollbackProgram(ctx workflow.Context, in ProgramInput) (training.Role, error) {
	if err := in.check(ctx); err != nil {
		return training.Role{}, typed(err)
	}
	var a *registry.Programs
	c := newCaller(in.Common)
	change := registry.RoleInput{Tenant: tenant.ID(in.Tenant), Role: in.Name, Do: registry.DoRollback}
	before, err := call(c.metadata(ctx, "what is active of "+cell(in.Name)), a.ReadProgramRole, change)
	if err != nil {
		return training.Role{}, staged("roll back", err)
	}
	change.Seen = before.Active
	out, err := call(c.metadata(ctx, "roll back "+cell(in.Name)), a.ChangeProgram, change)
	return out, stagedIf("roll back", err)
}

// CanaryProgram has a share of all keys get a version in place of the active one,
// or ends that.
func CanaryProgram(ctx workflow.Context, in ProgramInput) (training.Role, error) {
	if err := in.checkCanary(ctx); err != nil {
		return training.Role{}, typed(err)
	}
	c := newCaller(in.Common)
	if in.Share == 0 {
		out, err := endCanary(ctx, c, in)
		return out, stagedIf("canary", err)
	}
	found, err := better(ctx, c, in, "start canary", "force makes it the canary all the same")
	if err != nil {
		return training.Role{}, err
	}
	var a *registry.Programs
	out, err := call(c.metadata(ctx, "canary of "+cell(in.Name)), a.ChangeProgram, registry.RoleInput{
		Tenant: tenant.ID(in.Tenant), Role: in.Name, Do: registry.DoCanary, Name: in.Name, Version: found.Version, Share: in.Share,
	})
	return out, stagedIf("canary", err)
}

func endCanary(ctx workflow.Context, c caller, in ProgramInput) (training.Role, error) {
	var a *registry.Programs
	change := registry.RoleInput{Tenant: tenant.ID(in.Tenant), Role: in.Name, Do: registry.DoEndCanary}
	before, err := call(c.metadata(ctx, "what is the canary of "+cell(in.Name)), a.ReadProgramRole, change)
	if err != nil || before.Canary == nil {
		return before, err
	}
	if in.Version != 0 && in.Version != before.Canary.Version {
		return before, typed(fault.New(fault.Input, "end canary", in.Name,
			fmt.Sprintf("the canary is version %d, not %d", before.Canary.Version, in.Version)))
	}
	change.Seen = &before.Canary.Activation
	return call(c.metadata(ctx, "end the canary of "+cell(in.Name)), a.ChangeProgram, change)
}

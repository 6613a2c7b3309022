package optimize

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

// ListPrograms lists the published programs.
func ListPrograms(ctx workflow.Context, in ListProgramsInput) (registry.ProgramList, error) {
	if err := in.check(ctx); err != nil {
		return registry.ProgramList{}, workflows.Typed(err)
	}
	var a *registry.Programs
	out, err := workflows.Call(workflows.NewCaller(in.Common).Metadata(ctx, "list programs"), a.ListPrograms,
		registry.ListProgramsInput{Tenant: tenant.ID(in.Tenant), Name: in.Name})
	return out, workflows.StagedIf("list", err)
}

// ShowProgram describes one version of a program, including its text.
func ShowProgram(ctx workflow.Context, in ProgramInput) (registry.ProgramDetail, error) {
	if err := in.check(ctx); err != nil {
		return registry.ProgramDetail{}, workflows.Typed(err)
	}
	out, err := showProgram(ctx, in)
	return out, workflows.StagedIf("show", err)
}

func showProgram(ctx workflow.Context, in ProgramInput) (registry.ProgramDetail, error) {
	var a *registry.Programs
	return workflows.Call(workflows.NewCaller(in.Common).Metadata(ctx, "find program "+workflows.Cell(in.Name)), a.ShowProgram,
		registry.ProgramInput{Tenant: tenant.ID(in.Tenant), Name: in.Name, Version: in.Version})
}

// PromoteProgram makes a version the active one.
func PromoteProgram(ctx workflow.Context, in ProgramInput) (training.Role, error) {
	if err := in.check(ctx); err != nil {
		return training.Role{}, workflows.Typed(err)
	}
	c := workflows.NewCaller(in.Common)
	found, err := better(ctx, c, in, "promote program", "force promotes it anyway")
	if err != nil {
		return training.Role{}, err
	}
	var a *registry.Programs
	out, err := workflows.Call(c.Metadata(ctx, "promote "+workflows.Cell(in.Name)), a.ChangeProgram, registry.RoleInput{
		Tenant: tenant.ID(in.Tenant), Role: in.Name, Do: registry.DoActivate, Name: in.Name, Version: found.Version,
	})
	return out, workflows.StagedIf("promote", err)
}

// better finds the version that an input names (0 = the latest) and refuses one that was
// not confirmed to be better, unless it is forced.
func better(ctx workflow.Context, c workflows.Caller, in ProgramInput, op, forced string) (registry.ProgramDetail, error) {
	var a *registry.Programs
	found, err := workflows.Call(c.Metadata(ctx, "find program "+workflows.Cell(in.Name)), a.ShowProgram,
		registry.ProgramInput{Tenant: tenant.ID(in.Tenant), Name: in.Name, Version: in.Version, Latest: true})
	if err != nil {
		return found, workflows.Staged("find", err)
	}
	if !found.Verdict.Promote && !in.Force {
		return found, workflows.Typed(fault.New(fault.Input, op, in.Name,
			"on rows that the search did not use, it was not significantly better than the default; "+forced))
	}
	return found, nil
}

// RollbackProgram reactivates the previous version.
func RollbackProgram(ctx workflow.Context, in ProgramInput) (training.Role, error) {
	if err := in.check(ctx); err != nil {
		return training.Role{}, workflows.Typed(err)
	}
	var a *registry.Programs
	c := workflows.NewCaller(in.Common)
	change := registry.RoleInput{Tenant: tenant.ID(in.Tenant), Role: in.Name, Do: registry.DoRollback}
	before, err := workflows.Call(c.Metadata(ctx, "what is active of "+workflows.Cell(in.Name)), a.ReadProgramRole, change)
	if err != nil {
		return training.Role{}, workflows.Staged("roll back", err)
	}
	change.Seen = before.Active
	out, err := workflows.Call(c.Metadata(ctx, "roll back "+workflows.Cell(in.Name)), a.ChangeProgram, change)
	return out, workflows.StagedIf("roll back", err)
}

// CanaryProgram starts or stops a canary.
func CanaryProgram(ctx workflow.Context, in ProgramInput) (training.Role, error) {
	if err := in.checkCanary(ctx); err != nil {
		return training.Role{}, workflows.Typed(err)
	}
	c := workflows.NewCaller(in.Common)
	if in.Share == 0 {
		out, err := endCanary(ctx, c, in)
		return out, workflows.StagedIf("canary", err)
	}
	found, err := better(ctx, c, in, "start canary", "force makes it the canary anyway")
	if err != nil {
		return training.Role{}, err
	}
	var a *registry.Programs
	out, err := workflows.Call(c.Metadata(ctx, "canary of "+workflows.Cell(in.Name)), a.ChangeProgram, registry.RoleInput{
		Tenant: tenant.ID(in.Tenant), Role: in.Name, Do: registry.DoCanary, Name: in.Name, Version: found.Version, Share: in.Share,
	})
	return out, workflows.StagedIf("canary", err)
}

func endCanary(ctx workflow.Context, c workflows.Caller, in ProgramInput) (training.Role, error) {
	var a *registry.Programs
	change := registry.RoleInput{Tenant: tenant.ID(in.Tenant), Role: in.Name, Do: registry.DoEndCanary}
	before, err := workflows.Call(c.Metadata(ctx, "what is the canary of "+workflows.Cell(in.Name)), a.ReadProgramRole, change)
	if err != nil || before.Canary == nil {
		return before, err
	}
	if in.Version != 0 && in.Version != before.Canary.Version {
		return before, workflows.Typed(fault.New(fault.Input, "end canary", in.Name,
			fmt.Sprintf("the canary is version %d, not %d", before.Canary.Version, in.Version)))
	}
	change.Seen = &before.Canary.Activation
	return workflows.Call(c.Metadata(ctx, "end the canary of "+workflows.Cell(in.Name)), a.ChangeProgram, change)
}

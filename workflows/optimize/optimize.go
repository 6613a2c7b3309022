// Package optimize holds the recipes of prompt optimization and of published programs.
// It uses the settings and states of package mipro for inputs and progress. It decides
// nothing about the search and asks no model.
package optimize

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// The stages of an optimization: values of CogStage, and words in the Web UI.
const (
	stagePrepare   = "prepare"
	stageBootstrap = "bootstrap"
	stagePropose   = "propose"
	stageSearch    = "search"
	stageReflect   = "reflect"
	stageConfirm   = "confirm"
)

// statusOptimized is the status of a run that went through all stages.
const statusOptimized = "optimized"

// optimizeWork is the progress of a run.
type optimizeWork struct {
	Plan        optimize.Plan        `json:"plan"`
	Stage       string               `json:"stage"` // to continue with
	Trials      []optimize.TrialLine `json:"trials"`
	Final       bool                 `json:"final,omitempty"`       // the last reflection is done
	Reflections int                  `json:"reflections,omitempty"` // that are done
	Asked       optimize.Asked       `json:"asked"`
}

// optimizeRun is the state of one OptimizePrompts run.
type optimizeRun struct {
	job.Run
	optimizeWork
	in       Input
	a        *optimize.Activities
	ended    bool  // there is nothing left to do
	approval *bool // what a person said
}

// Prompts finds better instructions and demos for a program:
// prepare → bootstrap → propose → search (→ reflect → search)* → confirm → publish. Mode
// gepa has neither bootstrap nor propose.
func Prompts(ctx workflow.Context, in Input) (Result, error) {
	r := &optimizeRun{in: in}
	r.Run, r.Stage = job.New(ctx, r.showDetails), stagePrepare
	r.DryRun = in.DryRun
	result, err := r.run(ctx)
	if err != nil && !workflow.IsContinueAsNewError(err) {
		err = workflows.Staged(r.Stage, workflows.Ended(ctx, err))
	}
	return result, err
}

// run is the recipe.
func (r *optimizeRun) run(ctx workflow.Context) (Result, error) {
	if err := r.in.check(ctx); err != nil {
		return Result{}, workflows.Typed(err)
	}
	if err := r.listen(ctx); err != nil {
		return Result{}, err
	}
	state, err := job.HandedOn(ctx, r.in.received.Resume, func(s optimizeState) string { return s.Chain }, (*optimizeState).check)
	if err != nil {
		return Result{}, workflows.Typed(err)
	}
	if state != nil {
		r.restore(*state)
	} else if err := r.prepare(ctx); err != nil {
		return Result{}, err
	}
	if r.in.DryRun {
		plan := r.Plan
		return Result{Program: r.Plan.Name, Job: r.Plan.Job, Status: job.StatusDryRun, Plan: &plan, Unchanged: r.ended}, r.setStage(ctx, job.StageDone)
	}
	done, err := workflows.Call(r.Metadata(ctx, "claim the job"), r.a.ClaimOptimize, optimize.ClaimInput{JobInput: r.job(), Name: r.Plan.Name})
	if err != nil {
		return Result{}, err
	}
	if len(done.Result) > 0 {
		return r.unchanged(ctx, done.Result)
	}
	result, err := r.optimize(ctx)
	if workflow.IsContinueAsNewError(err) {
		return Result{}, err
	}
	if err != nil {
		free, _ := workflow.NewDisconnectedContext(ctx)
		released := r.finish(free, nil)
		if released == nil {
			released = r.account(ctx)
		}
		if released != nil {
			return Result{}, temporal.NewNonRetryableApplicationError(
				workflows.Reason(err)+"; and cleaning up failed: "+workflows.Reason(released), workflows.ClassOf(err), err)
		}
		return Result{}, err
	}
	if result.Status == job.StatusStopped {
		return result, r.finish(ctx, nil) // a later start may continue the search
	}
	return result, r.finish(ctx, &result)
}

// account takes the cost of a run that failed or was cancelled from the ledger.
func (r *optimizeRun) account(ctx workflow.Context) error {
	spend, known, err := job.FinalCost(ctx, r.Caller, ingest.SpendInput{Tenant: tenant.ID(r.in.Tenant), Job: r.ID})
	if !known {
		return err
	}
	r.Asked.Calls, r.Asked.CostMicroUSD = spend.Calls, spend.CostMicroUSD
	r.showDetails(ctx)
	return workflows.SetStage(ctx, r.Stage, 1, workflows.USD(r.Asked.CostMicroUSD))
}

// prepare checks everything and quotes the cost before the first call.
func (r *optimizeRun) prepare(ctx workflow.Context) error {
	if err := workflows.SetAttributes(ctx, "OptimizePrompts", r.in.Common, ""); err != nil {
		return err
	}
	if err := r.setStage(ctx, stagePrepare); err != nil {
		return err
	}
	prepared, err := workflows.Call(r.Media(ctx, "check the program and its examples"), r.a.PrepareOptimize, optimize.PrepareInput{
		Tenant: tenant.ID(r.in.Tenant), Name: r.in.Name, Program: r.in.Program, Trainset: r.in.Trainset, Valset: r.in.Valset,
		Testset: r.in.Testset, Metric: r.in.Metric, Mode: r.in.Mode, Settings: r.in.Settings, GEPA: r.in.Options, BudgetUSD: r.Budget,
	})
	if err == nil {
		r.Plan, r.ended = prepared.Plan, prepared.Unchanged
		r.Stage = stageBootstrap
		if r.in.Mode == optimize.ModeGEPA { // it makes no demos, and proposes as it searches
			r.Stage = stageSearch
		}
	}
	return err
}

// optimize runs the stages from the current one on.
func (r *optimizeRun) optimize(ctx workflow.Context) (Result, error) {
	err := r.stages(ctx)
	switch {
	case errors.Is(err, errUnpaid) && len(r.Trials) == 0:
		return r.nothing(ctx)
	case err != nil && !errors.Is(err, errUnpaid):
		return Result{}, err
	}
	return r.publish(ctx)
}

// stages runs the stages that search for a better program.
func (r *optimizeRun) stages(ctx workflow.Context) error {
	if r.Stage == stageBootstrap {
		if err := r.ask(ctx, stageBootstrap, "bootstrap demos with the teacher", func(ctx workflow.Context) (optimize.Asked, error) {
			return workflows.Call(ctx, r.a.BootstrapDemos, r.spender())
		}); err != nil {
			return err
		}
		r.Stage = stagePropose
	}
	if r.Stage == stagePropose {
		if err := r.ask(ctx, stagePropose, "propose instructions", func(ctx workflow.Context) (optimize.Asked, error) {
			return workflows.Call(ctx, r.a.ProposeInstructions, r.spender())
		}); err != nil {
			return err
		}
		r.Stage = stageSearch
	}
	return r.search(ctx)
}

// search runs trials; in improved mode it reflects on failures in between.
func (r *optimizeRun) search(ctx workflow.Context) error {
	if r.Stage == stageReflect && !r.Enough && resumesReflection(ctx) {
		if err := r.reflect(ctx); err != nil {
			return err
		}
	}
	for r.Stage == stageSearch && (!r.Enough || len(r.Trials) == 0) {
		var step optimize.Searched
		err := r.ask(ctx, stageSearch, r.nextTrial(), func(ctx workflow.Context) (optimize.Asked, error) {
			var err error
			step, err = workflows.Call(ctx, r.a.SearchTrials, r.step())
			return step.Asked, err
		})
		if err != nil {
			return err
		}
		r.Trials = append(r.Trials, step.Trials...)
		r.showDetails(ctx)
		if !step.Done {
			continue
		}
		if r.in.Mode != optimize.ModeImproved || r.Final {
			return nil
		}
		if err := r.reflect(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reflect asks for new instructions; the search continues with them.
func (r *optimizeRun) reflect(ctx workflow.Context) error {
	err := r.ask(ctx, stageReflect, "learn from failures of the best so far", func(ctx workflow.Context) (optimize.Asked, error) {
		return workflows.Call(ctx, r.a.ReflectOnFailures, r.step())
	})
	if err == nil {
		r.Reflections++
		r.Final, r.Stage = r.Reflections >= r.Plan.Reflections, stageSearch
	}
	return err
}

// resumesReflection gates a fix: a run that continued as new while its reflection waited
// for budget used to skip the rest of the search. Such a run still does.
func resumesReflection(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "reflect-after-continue", workflow.DefaultVersion, 1) != workflow.DefaultVersion
}

// ask runs an activity that pays for answers, as soon as neither a pause nor the budget
// prevents it, and again when the limit that stopped it is raised. Answers are stored, so
// the second time costs only the rest.
func (r *optimizeRun) ask(ctx workflow.Context, stage, summary string, do func(workflow.Context) (optimize.Asked, error)) error {
	for times := 0; ; times++ {
		if job.MustContinue(ctx) {
			return job.ContinueAsNew(ctx, r.continuation)
		}
		if err := r.setStage(ctx, stage); err != nil {
			return err
		}
		if err := workflow.Await(ctx, func() bool { return !r.Paused || r.Enough }); err != nil {
			return err
		}
		limit, news := r.Budget, r.News
		asked, err := do(r.Asking(ctx, summary))
		r.Asked.Answers += asked.Answers
		if s := asked.Spend; s != nil { // the ledger knows more than this result: calls of attempts that were lost
			r.Asked.Calls, r.Asked.CostMicroUSD, r.Asked.Unusable = s.Calls, s.CostMicroUSD, asked.Unusable
		} else {
			r.Asked.Calls += asked.Calls
			r.Asked.CostMicroUSD += asked.CostMicroUSD
		}
		if err == nil || workflows.ClassOf(err) != string(fault.Budget) {
			return err
		}
		if err := r.awaitRaise(ctx, job.Unpaid{By: workflows.BlockedBy(err), News: news, Times: times}, limit); err != nil {
			return err
		}
	}
}

// errUnpaid: the run was asked to stop, and its next step costs more than the budget
// allows.
var errUnpaid = errors.New("the run was asked to stop before the budget was raised")

// awaitRaise waits until there may be more budget, or the run is asked to stop. The first build
// did not react to stop while it waited.
func (r *optimizeRun) awaitRaise(ctx workflow.Context, why job.Unpaid, reached float64) error {
	err := r.AwaitBudget(ctx, why, func() bool { return r.Budget != reached || r.Enough })
	if err != nil || r.Budget != reached || why.By != nil && !r.Enough {
		return err
	}
	if workflow.GetVersion(ctx, changeStopsUnpaid, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return r.AwaitBudget(ctx, why, func() bool { return r.Budget != reached })
	}
	return errUnpaid
}

// changeStopsUnpaid gates stopping a run while it waits for budget.
const changeStopsUnpaid = "optimize-stops-while-waiting"

// nothing is the result of a run that was stopped before its first trial: the best so far
// is the original program, so there is nothing to publish.
func (r *optimizeRun) nothing(ctx workflow.Context) (Result, error) {
	return Result{
		Program: r.Plan.Name, Job: r.Plan.Job, Status: job.StatusStopped, Kept: true,
		Calls: r.Asked.Calls, CostUSD: workflows.USD(r.Asked.CostMicroUSD), Unusable: r.Asked.Unusable, Warnings: r.warnings(),
	}, r.setStage(ctx, job.StageDone)
}

// confirm compares the best candidate with the original program. If the budget does not
// allow that, the best is published unconfirmed.
func (r *optimizeRun) confirm(ctx workflow.Context) (confirmed optimize.Confirmed, err error) {
	in := optimize.ConfirmInput{}
	err = r.ask(ctx, stageConfirm, "confirm on rows that the search never saw", func(ctx workflow.Context) (optimize.Asked, error) {
		var err error
		in.SearchStep = r.step()
		confirmed, err = workflows.Call(ctx, r.a.ConfirmBest, in)
		return confirmed.Asked, err
	})
	if errors.Is(err, errUnpaid) {
		in.SearchStep, in.Unpaid = r.step(), true
		return workflows.Call(r.Asking(ctx, "take the best so far, unconfirmed"), r.a.ConfirmBest, in)
	}
	return confirmed, err
}

func (r *optimizeRun) job() activities.JobInput {
	return activities.JobInput{Tenant: tenant.ID(r.in.Tenant), Job: r.Plan.Job}
}

func (r *optimizeRun) spender() optimize.Spender {
	return optimize.Spender{
		Tenant: tenant.ID(r.in.Tenant), Job: r.Plan.Job, Ledger: r.ID, LimitMicroUSD: workflows.MicroUSD(r.Budget),
	}
}

func (r *optimizeRun) step() optimize.SearchStep {
	return optimize.SearchStep{Spender: r.spender(), Made: len(r.Trials), Final: r.Final, Reflections: r.Reflections}
}
